/** The local side of a job's files: a folder that only we can look into, and out of which no name and no link leads. */
import { constants } from 'node:fs'
import { chmod, lstat, mkdir, open, readdir, realpath, rename, rm } from 'node:fs/promises'
import { dirname, isAbsolute, join, relative, sep } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ObjectStoreError, systemCode } from '../errors.ts'
import { folderExists, isAbsent, leadsElsewhere, makeFolder } from '../local/folders.ts'
import type { ObjectBody } from '../port.ts'
import { checkName } from './names.ts'

export interface LocalFiles {
  /** Absolute; the folders above it are there. */
  path(name: string): Promise<string>
  /** The name of what `path` gave, or of what is a name already. */
  nameOf(nameOrPath: string): Promise<string>
  /** Whole or not at all: under another name until it is complete. */
  write(name: string, body: ObjectBody): Promise<string>
  /** Null when there is no such file. */
  open(name: string): Promise<{ stream: Readable; bytes: number } | null>
  isDirectory(name: string): Promise<boolean>
  /** Names of the files below, each with the directory's in front. */
  walk(name: string): Promise<string[]>
  remove(): Promise<void>
}

/** Unfinished downloads; no id of a job begins with a dot. */
export const partials = '.partial'

export function createLocalFiles(dir: string, jobId: string): LocalFiles {
  let made: Promise<string> | null = null
  const root = (): Promise<string> => {
    made ??= makeRoot(dir, jobId).catch((error: unknown) => {
      made = null
      throw error
    })
    return made
  }
  const place = async (name: string): Promise<{ root: string; path: string }> => {
    const base = await root()
    return { root: base, path: join(base, ...checkName(name).split('/')) }
  }
  const files: LocalFiles = {
    async path(name) {
      const { root: base, path } = await place(name)
      if (dirname(path) !== base) await makeFolder(base, dirname(path))
      const found = await lstat(path).catch(absentAsNull)
      if (found?.isSymbolicLink()) throw leadsElsewhere()
      return path
    },
    async nameOf(nameOrPath) {
      if (!isAbsolute(nameOrPath)) return checkName(nameOrPath.replace(/\/$/, ''))
      const name = relative(await root(), nameOrPath)
      return checkName(name.split(sep).join('/'))
    },
    async write(name, body) {
      const path = await files.path(name)
      const temporary = join(await partialsOf(dir), crypto.randomUUID())
      try {
        const handle = await open(temporary, 'wx', 0o600)
        const source = typeof body === 'string' || body instanceof Uint8Array ? [body] : body
        await pipeline(source, handle.createWriteStream())
        await rename(temporary, path)
      } catch (error) {
        await rm(temporary, { force: true })
        throw error
      }
      return path
    },
    async open(name) {
      const { path } = await place(name)
      if (!(await folderExists(dirname(path)))) return null
      try {
        const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
        const stat = await handle.stat()
        if (stat.isFile()) return { stream: handle.createReadStream(), bytes: stat.size }
        await handle.close()
        return null
      } catch (error) {
        if (systemCode(error) === 'ELOOP') throw leadsElsewhere()
        return absentAsNull(error)
      }
    },
    async isDirectory(name) {
      const { path } = await place(name)
      return (await lstat(path).catch(absentAsNull))?.isDirectory() ?? false
    },
    async walk(name) {
      const { path } = await place(name)
      if (!(await folderExists(path))) return []
      const found: string[] = []
      for (const entry of await readdir(path, { withFileTypes: true })) {
        const below = `${name}/${entry.name}`
        if (entry.isDirectory()) found.push(...(await files.walk(below)))
        else if (entry.isFile()) found.push(below)
        else throw new ObjectStoreError('INVALID_KEY', `${JSON.stringify(below)} is neither a file nor a directory`)
      }
      return found
    },
    async remove() {
      made = null
      await rm(join(dir, jobId), { recursive: true, force: true })
    },
  }
  return files
}

async function makeRoot(dir: string, jobId: string): Promise<string> {
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const root = join(await realpath(dir), jobId)
  await mkdir(root, { mode: 0o700 }).catch((error: unknown) => {
    if (systemCode(error) !== 'EEXIST') throw error
  })
  // In a folder that everybody may write into, such as /tmp, somebody else may have been there first.
  const found = await lstat(root)
  if (!found.isDirectory() || found.uid !== process.getuid?.()) throw leadsElsewhere()
  await chmod(root, 0o700)
  return root
}

async function partialsOf(dir: string): Promise<string> {
  const folder = join(dir, partials)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  return folder
}

function absentAsNull(error: unknown): null {
  if (isAbsent(error)) return null
  throw error
}
