/** Snapshots made of others: the files of one, and what the agent remembers of another. */
import { randomUUID } from 'node:crypto'
import { type PrivateManifest, sessionPrefix, type WorkspaceManifest } from '@tutti/contracts'
import type { WorkbenchDeps } from '../deps.ts'

export interface Parts {
  /** The key of the snapshot whose files it has. */
  files: string
  /** Of the one whose memory it has; null: it remembers nothing. */
  memory: string | null
  /** Of the one that readers were shown before; null: none. */
  shown: string | null
}

export interface Composed {
  key: string
  manifest: WorkspaceManifest
}

/**
 * A snapshot of its own, of contents that are there: managers tell by its key that the state which they have is not the one that
 * is wanted. @throws TuttiError SNAPSHOT_NOT_FOUND
 */
export const compose = async (
  { snapshots, objects }: Pick<WorkbenchDeps, 'snapshots' | 'objects'>,
  userId: string,
  sessionId: string,
  parts: Parts,
): Promise<Composed> => {
  const manifest = await snapshots.manifest(userId, parts.files)
  const hidden = await snapshots.hidden(userId, manifest)
  const memory = parts.memory === null ? nothing : await hiddenOf(snapshots, userId, parts.memory)
  const before = parts.shown === null ? [] : (await snapshots.manifest(userId, parts.shown)).files
  const base = `${sessionPrefix(userId, sessionId)}/${folder}/${randomUUID()}`
  const there = new Set(manifest.files.map(({ path }) => path))
  const composed: WorkspaceManifest = {
    ...manifest,
    generated_at: new Date().toISOString(),
    deleted: before.map(({ path }) => path).filter((path) => !there.has(path)),
    private_key: `${base}/private.json`,
  }
  const asJson = { contentType: 'application/json' }
  await objects?.put(composed.private_key, JSON.stringify(withMemory(hidden, memory)), asJson)
  await objects?.put(`${base}/manifest.json`, JSON.stringify(composed), asJson)
  return { key: `${base}/manifest.json`, manifest: composed }
}

const folder = 'rewinds'

/** Whether somebody set the files back, and no run has left others since. */
export const isComposed = (key: string): boolean => key.split('/').at(-3) === folder

const nothing: PrivateManifest = { version: 1, files: [], links: [], folders: [] }

const hiddenOf = async (snapshots: WorkbenchDeps['snapshots'], userId: string, key: string): Promise<PrivateManifest> =>
  snapshots.hidden(userId, await snapshots.manifest(userId, key))

/** The runtime's folder of one snapshot in the other. */
const withMemory = (files: PrivateManifest, memory: PrivateManifest): PrivateManifest => {
  const isMemory = (path: string): boolean => path === '.tutti' || path.startsWith('.tutti/')
  const mix = <T>(own: T[], others: T[], pathOf: (one: T) => string): T[] => [
    ...own.filter((one) => !isMemory(pathOf(one))),
    ...others.filter((one) => isMemory(pathOf(one))),
  ]
  return {
    version: 1,
    files: mix(files.files, memory.files, ({ path }) => path),
    links: mix(files.links, memory.links, ({ path }) => path),
    folders: mix(files.folders, memory.folders, (path) => path),
  }
}
