/** The folder of one run of a task: made when it is first needed, gone when the run is over. Nothing leads out of it. */
import { lstat, mkdir, mkdtemp, readdir, realpath, rm } from 'node:fs/promises'
import { dirname, isAbsolute, join, relative, sep } from 'node:path'
import { PermanentError } from '../errors.ts'

export interface Workspace {
  /** Absolute and without links; makes the folder. */
  root(): Promise<string>
  /** Whether anybody asked for it. */
  isMade(): boolean
  /** Where a file that comes is to lie; the folders above are made. `place` keeps files of one name apart. */
  place(place: string, name: string): Promise<string>
  /**
   * What lies at an absolute path below the root; null where there is nothing, or the path lies elsewhere.
   * @throws PermanentError for what a link leads out of the folder, or what is neither a file nor a folder
   */
  find(path: string): Promise<Found | null>
  remove(): Promise<void>
}

export type Found =
  /** Its name is relative to the root. */
  | { kind: 'file'; name: string; path: string; size: number }
  /** Its files, by their names within it. */
  | { kind: 'folder'; name: string; files: { name: string; path: string; size: number }[] }

/**
 * @param dir shared with other workers; made when it is missing
 * @param taskId of the server; each run gets a folder of its own, because a lost run may go on beside the next one
 */
export const createWorkspace = (dir: string, taskId: string): Workspace => {
  let made: Promise<string> | undefined
  const root = () => {
    made ??= makeFolder(dir, taskId)
    return made
  }
  return {
    root,
    isMade: () => made !== undefined,
    place: async (place, name) => {
      const path = join(await root(), 'in', place, ...segmentsOf(name))
      await mkdir(dirname(path), { recursive: true })
      return path
    },
    find: async (path) => {
      const base = await root()
      const inner = relative(base, path)
      if (inner === '' || inner.split(sep)[0] === '..' || isAbsolute(inner)) return null
      const real = await realpath(path).catch(() => null)
      if (real === null) return null
      if (real !== join(base, inner))
        throw new PermanentError(`${inner} is a link: files of a task lie in its own folder`)
      const stat = await lstat(real)
      if (stat.isFile()) return { kind: 'file', name: slashed(inner), path: real, size: stat.size }
      if (!stat.isDirectory()) throw new PermanentError(`${inner} is neither a file nor a folder`)
      return { kind: 'folder', name: slashed(inner), files: await walk(real, '') }
    },
    remove: async () => {
      // Also when making it has failed half-way: then there is nothing to remove.
      const base = await made?.catch(() => undefined)
      if (base !== undefined) await rm(base, { recursive: true, force: true, maxRetries: 3 })
    },
  }
}

const slashed = (path: string): string => path.split(sep).join('/')

const makeFolder = async (dir: string, taskId: string): Promise<string> => {
  await mkdir(dir, { recursive: true, mode: 0o700 })
  return await mkdtemp(join(await realpath(dir), `${taskId.replace(/[^A-Za-z0-9_-]/g, '_').slice(0, 100)}.`))
}

const walk = async (folder: string, above: string): Promise<{ name: string; path: string; size: number }[]> => {
  const found = []
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    const name = above + entry.name
    if (entry.isDirectory()) found.push(...(await walk(path, `${name}/`)))
    else if (entry.isFile()) found.push({ name, path, size: (await lstat(path)).size })
    else throw new PermanentError(`${name} is neither a file nor a folder`)
  }
  return found
}

/** Names come from addresses, and so from strangers. */
const segmentsOf = (name: string): string[] => {
  const segments = name.split('/')
  for (const segment of segments)
    if (['', '.', '..'].includes(segment) || /[\p{Cc}\\]/u.test(segment) || Buffer.byteLength(segment) > 255)
      throw new PermanentError(`${JSON.stringify(name.slice(0, 200))} can’t be the name of a file`)
  return segments
}
