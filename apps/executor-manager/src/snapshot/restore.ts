/**
 * Makes a workspace hold what a snapshot says, the agent's memory included: on a host that has not the workspace, has an
 * older state of it, or is to go back to one. Only what differs is fetched and written.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ClaimedRun, sessionPrefix } from '@tutti/contracts'
import { type ObjectStore, ObjectStoreError } from '@tutti/objects'
import { type KeepOptions, keepRules } from '../export/rules.ts'
import { messageOf, RunFault } from '../fault.ts'
import type { ContentCache } from '../files/content-cache.ts'
import { openDirectory } from '../files/directory.ts'
import { openKnownFiles } from '../files/known-files.ts'
import { placeTree } from '../files/place-tree.ts'
import { addFile, addLink, folderIn, newTree, type Tree } from '../files/tree.ts'
import { type Home, type Meta, noteMeta } from '../stage/home.ts'
import { readSnapshot, type Snapshot } from './read-snapshot.ts'

export interface RestoreOptions extends KeepOptions {
  objects: Pick<ObjectStore, 'get'>
  cache: ContentCache
  signal: AbortSignal
}

/**
 * Whether the files of this host are those that a run is to begin with. They are where they descend from the snapshot that
 * the backend names: a try that died here did so after it, and what it left is what its next try goes on with.
 */
export const isUpToDate = (meta: Meta | null, snapshotKey: string | null): boolean =>
  snapshotKey === null || (meta !== null && (meta.base_key === snapshotKey || meta.stored_key === snapshotKey))

export const restore = async (
  run: Pick<ClaimedRun, 'run_id'>,
  home: Home,
  key: string,
  options: RestoreOptions,
): Promise<void> => {
  const snapshot = await read(options.objects, home.userId, key)
  const tree = treeOf(snapshot, home, options.objects)
  // Half restored, it descends from nothing: whatever interrupts this, it is done again.
  await noteMeta(home, run.run_id, { base_key: null, stored_key: null, changed: true })
  const known = await openKnownFiles(home.known)
  const rules = keepRules(options)
  const root = await openDirectory(home.workspace)
  try {
    await placeTree(root, tree, '', {
      ...{ cache: options.cache, known, signal: options.signal },
      keeps: (path, name, kind) => rules.of(path, name, kind) === 'remade',
    })
  } finally {
    await root.close()
    await known.save()
  }
  known.retain(new Set([...snapshot.manifest.files, ...snapshot.hidden.files].map(({ path }) => path)))
  await known.save()
  // Parked, or tried elsewhere before: its files have been given, and the agent may have worked on them.
  if (snapshot.manifest.run_id === run.run_id) await writeFile(join(home.staged, run.run_id), '')
  await noteMeta(home, run.run_id, { base_key: key, stored_key: key })
}

const read = async (objects: Pick<ObjectStore, 'get'>, userId: string, key: string): Promise<Snapshot> => {
  try {
    return await readSnapshot(objects, userId, key)
  } catch (error) {
    const passing = error instanceof ObjectStoreError && !['NOT_FOUND', 'CORRUPT'].includes(error.code)
    throw new RunFault('RESTORE_FAILED', `The session’s files can’t be read back: ${messageOf(error)}`, {
      retryable: passing,
      cause: error,
    })
  }
}

const treeOf = ({ manifest, hidden }: Snapshot, home: Home, objects: Pick<ObjectStore, 'get'>): Tree => {
  const tree = newTree(true)
  const own = `${sessionPrefix(home.userId, home.sessionId)}/`
  for (const { path, key, sha256, mode } of [...manifest.files, ...hidden.files])
    addFile(tree, segmentsOf(path), {
      ...{ sha256, executable: (mode & 0o111) !== 0 },
      // What another session of the owner has stored, whence this one was forked, is stored anew: that one may be deleted.
      stored: key.startsWith(own),
      content: async () => (await objects.get(key)).stream,
    })
  for (const { path, target } of hidden.links) addLink(tree, segmentsOf(path), target)
  for (const path of hidden.folders) folderIn(tree, segmentsOf(path))
  return tree
}

/** Any name that a disk can hold: these paths were found on one. */
const segmentsOf = (path: string): string[] => {
  const segments = path.split('/')
  if (segments.some((name) => ['', '.', '..'].includes(name) || name.includes('\0')))
    throw new RunFault('RESTORE_FAILED', `The snapshot names ${JSON.stringify(path)}, which is no path of a workspace`)
  return segments
}
