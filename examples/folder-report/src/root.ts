/** Keeps every path below the folder that was asked for, and that folder below the ones that are allowed. */
import { constants } from 'node:fs'
import { type FileHandle, open, realpath, stat } from 'node:fs/promises'
import { isAbsolute, join, relative, sep } from 'node:path'
import { InvalidInputError } from '@tutti/worker'

/** What the work needs of its task. */
export interface Work {
  signal: AbortSignal
  progress(fraction: number, message?: string): void
  /** Folders that may be read; undefined allows all. */
  roots?: readonly string[] | undefined
}

export const isInside = (folder: string, path: string): boolean => {
  const way = relative(folder, path)
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way))
}

/** The folder's real path. @throws InvalidInputError: trying again wouldn't make it a folder that may be read */
export const openRoot = async (folder: string, roots: Work['roots']): Promise<string> => {
  const real = await realpath(folder).catch(() => undefined)
  if (real === undefined || !(await stat(real)).isDirectory()) {
    throw new InvalidInputError(`${folder} isn’t a folder that this worker can see`)
  }
  if (roots === undefined) return real
  for (const root of roots) {
    const allowed = await realpath(root).catch(() => undefined)
    if (allowed !== undefined && isInside(allowed, real)) return real
  }
  throw new InvalidInputError(`${folder} isn’t below any of FOLDER_ROOTS`)
}

/**
 * Opens a regular file below `root`; undefined when there is none any more.
 * @throws InvalidInputError when the path leads out of the folder, be it through a symbolic link
 */
export const openInside = async (root: string, path: string): Promise<FileHandle | undefined> => {
  const full = join(root, path)
  if (isAbsolute(path) || !isInside(root, full)) throw new InvalidInputError(`${path} leads out of the folder`)
  try {
    const real = await realpath(full)
    if (!isInside(root, real)) throw new InvalidInputError(`${path} leads out of the folder`)
    return await openRegular(real)
  } catch (error) {
    if (isGone(error)) return undefined
    throw error
  }
}

/** Not through a link at the end, and without waiting: opening a named pipe would otherwise never return. */
export const openRegular = async (path: string): Promise<FileHandle | undefined> => {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  if ((await handle.stat()).isFile()) return handle
  await handle.close()
  return undefined
}

const gone = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'ENXIO'])
export const isGone = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && gone.has(String(error.code))
