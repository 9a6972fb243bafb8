/**
 * Folders of the local store. Nobody but the store should write into them; yet if somebody puts a symbolic link there,
 * no request may follow it out of the root.
 */
import { lstat, mkdir, open, realpath, rmdir } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import { ObjectStoreError, systemCode } from '../errors.ts'

export interface Folders {
  /** Real path of the folder of objects. */
  objects: string
  /** Real path of the folder of unfinished writes; on the same filesystem, so that a rename is atomic. */
  temporary: string
  /** As {@link syncFolder}, shared by all writers of this store. */
  sync: (folder: string) => Promise<void>
}

export async function openFolders(root: string): Promise<Folders> {
  const folders = { objects: join(root, 'objects'), temporary: join(root, 'temporary') }
  await mkdir(folders.objects, { recursive: true, mode: 0o700 })
  await mkdir(folders.temporary, { recursive: true, mode: 0o700 })
  return {
    objects: await realpath(folders.objects),
    temporary: await realpath(folders.temporary),
    sync: createSharedSync(),
  }
}

/** Whether the folder is there. Throws `INVALID_KEY` when a link on the way leads elsewhere. */
export async function folderExists(folder: string): Promise<boolean> {
  try {
    if ((await realpath(folder)) !== folder) throw leadsElsewhere()
    return true
  } catch (error) {
    if (isAbsent(error)) return false
    throw error
  }
}

/** Makes the folder, step by step so that no link is followed, and syncs what it made. */
export async function makeFolder(objects: string, folder: string): Promise<void> {
  if (await folderExists(folder)) return
  let current = objects
  for (const name of relative(objects, folder).split(sep)) {
    const parent = current
    current = join(parent, name)
    try {
      await mkdir(current, { mode: 0o700 })
      await syncFolder(parent)
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error
    }
    if (!(await lstat(current)).isDirectory()) throw leadsElsewhere()
  }
}

/** Without this, a power cut can undo a rename whose file is safe on disk. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Many writers into one folder share its syncs: one that begins after their renames holds for all of them. */
export const createSharedSync = (sync: (folder: string) => Promise<void> = syncFolder): typeof sync => {
  const waiting = new Map<string, Promise<void>>()
  const running = new Map<string, Promise<void>>()
  return (folder) => {
    const next = waiting.get(folder)
    if (next !== undefined) return next
    const before = running.get(folder) ?? Promise.resolve()
    const mine = before
      .catch(() => undefined)
      .then(() => {
        waiting.delete(folder)
        running.set(folder, mine)
        return sync(folder)
      })
      .finally(() => {
        if (running.get(folder) === mine) running.delete(folder)
      })
    waiting.set(folder, mine)
    return mine
  }
}

/** Removes the folder and those above it while they are empty, up to the folder of objects. */
export async function removeEmptyFolders(objects: string, folder: string): Promise<void> {
  for (let current = folder; current !== objects && current.startsWith(objects); current = dirname(current)) {
    try {
      await rmdir(current)
    } catch {
      return
    }
  }
}

export function isAbsent(error: unknown): boolean {
  const code = systemCode(error)
  return code === 'ENOENT' || code === 'ENOTDIR'
}

export function leadsElsewhere(): ObjectStoreError {
  return new ObjectStoreError('INVALID_KEY', 'A symbolic link lies in the way of this key')
}
