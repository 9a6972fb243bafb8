/** Presets, and the text that a user gives to all agents. */
import { type ClaudeMdView, type PresetView, type PutClaudeMd, type PutPreset, TuttiError } from '@tutti/contracts'
import type { Database, Queryable } from '../database/database.ts'
import { bundleRows } from './bundles.ts'
import { mcpServerRows } from './mcp-servers.ts'
import { type OwnedRow, ownedRows } from './owned-rows.ts'

export type PresetRow = OwnedRow & PutPreset & { user_id: string }

const rows = ownedRows<PresetRow>({ table: 'workbench.presets', noun: 'preset' })

/** @throws TuttiError CAPABILITY_NOT_FOUND, with `path` where a body named it */
export const findPreset = (database: Queryable, userId: string, id: number, path?: string): Promise<PresetRow> =>
  rows.find(database, userId, id, path)

export const listPresets = async (database: Database, userId: string): Promise<PresetView[]> =>
  (await rows.list(database, userId)).map(view)

/** @throws TuttiError CAPABILITY_NOT_FOUND */
export const readPreset = async (database: Database, userId: string, id: number): Promise<PresetView> =>
  view(await findPreset(database, userId, id))

/** @throws TuttiError CAPABILITY_NOT_FOUND for what it names, CAPABILITY_EXISTS, CAPABILITY_LIMIT */
export const createPreset = async (database: Database, userId: string, given: PutPreset): Promise<PresetView> => {
  await checkIds(database, userId, given)
  return view(await rows.insert(database, userId, columns(given)))
}

/** @throws as {@link createPreset}, also where there is no such preset */
export const putPreset = async (
  database: Database,
  userId: string,
  id: number,
  given: PutPreset,
): Promise<PresetView> => {
  await checkIds(database, userId, given)
  return view(await rows.update(database, userId, id, columns(given)))
}

/** @throws TuttiError CAPABILITY_NOT_FOUND; CAPABILITY_IN_USE while a project begins with it */
export const deletePreset = (database: Database, userId: string, id: number): Promise<void> =>
  database.transaction(async (tx) => {
    const [project] = await tx.query<{ name: string }>(
      'select name from workbench.projects where user_id = $1 and default_preset_id = $2 and not is_deleted limit 1',
      [userId, id],
    )
    if (project) throw new TuttiError('CAPABILITY_IN_USE', `The project ${JSON.stringify(project.name)} begins with it`)
    await rows.remove(tx, userId, id)
  })

const columns = ({ subagent_configs, ...given }: PutPreset) => ({
  ...given,
  subagent_configs: JSON.stringify(subagent_configs),
})

/** What the user can't use is not there. */
const checkIds = async (database: Database, userId: string, given: PutPreset): Promise<void> => {
  const named = [
    ['skill_ids', bundleRows.skill],
    ['mcp_server_ids', mcpServerRows],
    ['plugin_ids', bundleRows.plugin],
  ] as const
  for (const [field, { visible }] of named) {
    const found = new Set((await visible(database, userId, given[field])).map(({ id }) => id))
    const at = given[field].findIndex((id) => !found.has(id))
    const path = `body.${field}.${at}`
    if (at !== -1) throw new TuttiError('CAPABILITY_NOT_FOUND', `${path}: there is none with this id`, { path })
  }
}

const view = ({ created_at, updated_at, ...row }: PresetRow): PresetView => ({
  ...row,
  created_at: created_at.toISOString(),
  updated_at: updated_at.toISOString(),
})

interface ClaudeMdRow {
  enabled: boolean
  content: string
  updated_at: Date
}

export const readClaudeMd = async (database: Queryable, userId: string): Promise<ClaudeMdView> => {
  const [row] = await database.query<ClaudeMdRow>(
    'select enabled, content, updated_at from workbench.claude_md where user_id = $1',
    [userId],
  )
  return row ? { ...row, updated_at: row.updated_at.toISOString() } : { enabled: false, content: '', updated_at: null }
}

export const putClaudeMd = async (
  database: Database,
  userId: string,
  { enabled, content }: PutClaudeMd,
): Promise<ClaudeMdView> => {
  await database.query(
    `insert into workbench.claude_md (user_id, enabled, content) values ($1, $2, $3)
     on conflict (user_id) do update set enabled = excluded.enabled, content = excluded.content, updated_at = now()`,
    [userId, enabled, content],
  )
  return readClaudeMd(database, userId)
}

export const deleteClaudeMd = async (database: Database, userId: string): Promise<void> => {
  await database.query('delete from workbench.claude_md where user_id = $1', [userId])
}
