/** Skills and plugins: rows here, their files in object storage. */
import { createReadStream } from 'node:fs'
import {
  type BundleFile,
  type CreateBundle,
  capabilityName,
  type JsonObject,
  jsonObject,
  type PatchBundle,
  type PluginView,
  type SkillView,
  TuttiError,
  userFolder,
} from '@tutti/contracts'
import { type ObjectStore, ObjectStoreError } from '@tutti/objects'
import { uploadsOf } from '../claim/plan.ts'
import type { Database } from '../database/database.ts'
import type { WorkbenchLog } from '../deps.ts'
import { type BundleSource, type PackedBundle, withPackedBundle } from './bundle-archive.ts'
import { refuseScope } from './env-vars.ts'
import { readFrontMatter, textField } from './front-matter.ts'
import { type OwnedRow, type OwnedRows, type Owner, ownedRows } from './owned-rows.ts'

export type BundleKind = 'skill' | 'plugin'

export interface BundleRow extends OwnedRow {
  name: string
  description: string | null
  source: 'manual' | 'zip'
  object_key: string
  sha256: string
  files: BundleFile[]
  file_count: number
  size: number
  version: string | null
  manifest: JsonObject | null
}

export interface BundleDeps {
  database: Database
  objects: Pick<ObjectStore, 'get' | 'put' | 'delete'> | null
  newId: () => string
  log: WorkbenchLog
}

/** What the files say of themselves. */
interface Described {
  name?: string | undefined
  description?: string | undefined
  version?: string | undefined
  manifest?: JsonObject
}

interface Kind {
  rows: OwnedRows<BundleRow>
  /** The file that makes a folder one. */
  marker: string
  describe: (marker: string) => Described
}

/** Without the list of files, of which only `find` has to know. */
const light = `id, user_id, name, description, source, object_key, sha256, file_count, size, version, manifest,
  created_at, updated_at`
const skills = ownedRows<BundleRow>({ table: 'workbench.skills', noun: 'skill', light })
const plugins = ownedRows<BundleRow>({ table: 'workbench.plugins', noun: 'plugin', light })

export const bundleRows = { skill: skills, plugin: plugins } as const

const kinds: Record<BundleKind, Kind> = {
  skill: {
    rows: skills,
    marker: 'SKILL.md',
    describe: (text) => {
      const front = frontMatterOf(text)
      const description = textField(front, 'description')
      if (description === undefined)
        throw fault('SKILL.md: its front matter must hold a description: by it the agent knows when to use the skill')
      return { name: textField(front, 'name'), description }
    },
  },
  plugin: {
    rows: plugins,
    marker: '.claude-plugin/plugin.json',
    describe: (text) => {
      const manifest = manifestOf(text)
      const { name, version, description } = manifest
      if (typeof name !== 'string') throw fault('.claude-plugin/plugin.json: it must hold the plugin’s name')
      return {
        ...{ name, manifest },
        ...(typeof version === 'string' ? { version } : {}),
        ...(typeof description === 'string' ? { description } : {}),
      }
    },
  },
}

const frontMatterOf = (text: string) => {
  try {
    const front = readFrontMatter(text)
    if (front !== null) return front
  } catch (error) {
    throw fault(`SKILL.md: ${error instanceof Error ? error.message : String(error)}`)
  }
  throw fault('SKILL.md: it must begin with front matter: name and description between two lines of ---')
}

const manifestOf = (text: string): JsonObject => {
  try {
    return jsonObject.parse(JSON.parse(text))
  } catch {
    throw fault('.claude-plugin/plugin.json: it is no JSON object')
  }
}

const fault = (message: string): TuttiError => new TuttiError('INVALID_BODY', message, { path: 'body.files' })

export const listBundles = async (database: Database, kind: BundleKind, owner: Owner) =>
  (await kinds[kind].rows.list(database, owner)).map((row) => view(kind, row))

/** @throws TuttiError CAPABILITY_NOT_FOUND */
export const readBundle = async (database: Database, kind: BundleKind, owner: Owner, id: number) =>
  view(kind, await kinds[kind].rows.find(database, owner, id))

/** Paths, sizes and hashes, by path. @throws TuttiError CAPABILITY_NOT_FOUND */
export const listBundleFiles = async (database: Database, kind: BundleKind, owner: Owner, id: number) =>
  (await kinds[kind].rows.find(database, owner, id)).files

/**
 * @throws TuttiError INVALID_BODY and PAYLOAD_TOO_LARGE for files that are refused, FILE_NOT_FOUND for an upload that is not theirs,
 *   CAPABILITY_EXISTS, CAPABILITY_LIMIT, FORBIDDEN
 */
export const createBundle = async (deps: BundleDeps, kind: BundleKind, owner: Owner, given: CreateBundle) => {
  refuseScope(owner, given.scope)
  const source = sourceOf(deps, owner, given)
  if (source === undefined)
    throw new TuttiError('INVALID_BODY', 'body: send either `files` or `attachment`', { path: 'body' })
  const { rows } = kinds[kind]
  return storing(deps, kind, owner, source, given, async (stored, described) => {
    const name = given.name ?? nameOf(described)
    const description = given.description ?? described.description?.slice(0, 1000) ?? null
    return view(kind, await rows.insert(deps.database, owner, { ...stored, name, description }))
  })
}

/** @throws as {@link createBundle}, and CAPABILITY_NOT_FOUND */
export const patchBundle = async (deps: BundleDeps, kind: BundleKind, owner: Owner, id: number, given: PatchBundle) => {
  refuseScope(owner, given.scope)
  const { rows } = kinds[kind]
  const { name, description } = given
  const source = sourceOf(deps, owner, given)
  if (source === undefined) return view(kind, await rows.update(deps.database, owner, id, { name, description }))
  const before = await rows.find(deps.database, owner, id)
  return storing(deps, kind, owner, source, given, async (stored) => {
    const row = await rows.update(deps.database, owner, id, { ...stored, name, description })
    await forget(deps, before.object_key)
    return view(kind, row)
  })
}

/** @throws TuttiError CAPABILITY_NOT_FOUND, FORBIDDEN */
export const deleteBundle = async (deps: BundleDeps, kind: BundleKind, owner: Owner, id: number): Promise<void> => {
  const { object_key } = await kinds[kind].rows.remove(deps.database, owner, id)
  await forget(deps, object_key)
}

/** Stores the files before the row that names them; where the row is refused, they go again. */
const storing = async <T>(
  deps: BundleDeps,
  kind: BundleKind,
  owner: Owner,
  source: BundleSource,
  given: PatchBundle,
  write: (stored: Record<string, unknown>, described: Described) => Promise<T>,
): Promise<T> => {
  const { marker, describe } = kinds[kind]
  return withPackedBundle(source, marker, async (bundle) => {
    const described = describe((await bundle.text(marker)) ?? '')
    if (given.name === undefined && described.name !== undefined) nameOf(described)
    const key = keyOf(kind, owner, deps.newId(), bundle)
    await store(deps).put(key, createReadStream(bundle.path), { contentType: 'application/zip', sha256: bundle.sha256 })
    const stored = {
      ...{ source: source.kind, object_key: key, sha256: bundle.sha256, size: bundle.size },
      ...{ files: JSON.stringify(bundle.files), file_count: bundle.files.length },
      ...{ version: described.version ?? null, manifest: described.manifest ?? null },
    }
    try {
      return await write(stored, described)
    } catch (error) {
      await forget(deps, key)
      throw error
    }
  })
}

/** By its hash a host knows an archive that it has; by the id before it no two rows share one, so each can be deleted. */
const keyOf = (kind: BundleKind, owner: Owner, id: string, { sha256 }: PackedBundle): string =>
  // No user's folder begins like this: see `userFolder`.
  `${kind}s/${owner === null ? '~system' : userFolder(owner)}/${id}/${sha256}.zip`

const nameOf = ({ name }: Described): string => {
  const read = capabilityName.safeParse(name)
  if (read.success) return read.data
  const what =
    name === undefined ? 'it is missing, also in the files' : `${JSON.stringify(name)}: letters, digits, and . _ - only`
  throw new TuttiError('INVALID_BODY', `body.name: ${what}`, { path: 'body.name' })
}

const sourceOf = (deps: BundleDeps, owner: Owner, { files, attachment }: PatchBundle): BundleSource | undefined => {
  if (files !== undefined && attachment !== undefined)
    throw new TuttiError('INVALID_BODY', 'body: send either `files` or `attachment`, not both', { path: 'body' })
  if (files !== undefined) return { kind: 'manual', files }
  if (attachment === undefined) return undefined
  const missing = new TuttiError('FILE_NOT_FOUND', 'There is no such upload of yours', { path: 'body.attachment' })
  if (owner === null || !attachment.startsWith(uploadsOf(owner))) throw missing
  return {
    kind: 'zip',
    open: async () => {
      try {
        return (await store(deps).get(attachment)).stream
      } catch (error) {
        if (error instanceof ObjectStoreError && ['NOT_FOUND', 'INVALID_KEY'].includes(error.code)) throw missing
        throw error
      }
    },
  }
}

const store = ({ objects }: BundleDeps): Pick<ObjectStore, 'get' | 'put' | 'delete'> => {
  if (objects === null) throw new TuttiError('FILES_NOT_ENABLED', 'This backend was started without object storage')
  return objects
}

/** The row is gone already: what can't be deleted now is only in the way of nobody. */
const forget = async (deps: BundleDeps, key: string): Promise<void> => {
  await store(deps)
    .delete(key)
    .catch((err: unknown) => deps.log.warn({ err, key }, 'the files of a skill or plugin could not be deleted'))
}

const view = (kind: BundleKind, row: BundleRow): SkillView | PluginView => ({
  id: row.id,
  name: row.name,
  description: row.description,
  scope: row.user_id === null ? 'system' : 'user',
  owner_user_id: row.user_id,
  source: { kind: row.source },
  file_count: row.file_count,
  size: row.size,
  ...(kind === 'plugin' ? { version: row.version, manifest: row.manifest ?? {} } : {}),
  created_at: row.created_at.toISOString(),
  updated_at: row.updated_at.toISOString(),
})
