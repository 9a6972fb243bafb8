import { realpath } from 'node:fs/promises'
import { dirname, isAbsolute, join, relative, resolve } from 'node:path'
import { UsageError } from '../faults.ts'

/**
 * Where a path that a server named lies below a folder of this machine. Links of the folder are followed, and may not lead out of it.
 * @throws UsageError where it would lie elsewhere, whatever the server may be
 */
export const inside = async (folder: string, path: string): Promise<string> => {
  const root = resolve(folder)
  const target = join(root, path)
  const refused = new UsageError(`the file ${JSON.stringify(path)} would not lie in ${root}: it is not touched`)
  if (!isBelow(root, target)) throw refused
  if (!isBelow(await nearest(root), await nearest(target), true)) throw refused
  return target
}

const isBelow = (root: string, target: string, same = false): boolean => {
  const way = relative(root, target)
  return (same || way !== '') && way !== '..' && !way.startsWith('../') && !isAbsolute(way)
}

/** The real path of as much of it as is there. */
const nearest = async (path: string): Promise<string> =>
  realpath(path).catch(() => (dirname(path) === path ? path : nearest(dirname(path))))
