/** The data directory of a stack: who uses it, which version wrote it, and the secrets it made for itself. */
import { randomBytes } from 'node:crypto'
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { isLocked, takeLock } from './lock.ts'

/** Raised when the layout changes so that an older program would misread it. */
const layoutVersion = 1

export class DataDirError extends Error {
  override readonly name = 'DataDirError'
}

const secretsSchema = z.object({
  clientToken: z.string().min(32),
  workerToken: z.string().min(32),
  internalToken: z.string().min(32),
  secretKey: z.string().min(32),
})
export type Secrets = z.infer<typeof secretsSchema>

/** Where the processes of a running stack are, for the commands that talk to it. */
const runningSchema = z.object({
  pid: z.int(),
  apiUrl: z.string(),
  backendUrl: z.string(),
  /** The one it takes: of this directory, or of the environment that it was started in. */
  clientToken: z.string(),
  processes: z.record(z.string(), z.int()),
})
export type Running = z.infer<typeof runningSchema>

export interface DataDir {
  path: string
  secrets: Secrets
  /** Tells other commands where the stack is. */
  announce(running: Running): Promise<void>
  /** Gives the directory free. */
  release(): Promise<void>
}

/**
 * Takes the directory for this process.
 * @throws DataDirError when it can't be used, another process uses it, a newer version wrote it, or its secrets are damaged
 */
export const openDataDir = async (path: string): Promise<DataDir> => {
  const root = resolve(path)
  const release = await lockDataDir(root)
  try {
    await checkVersion(root)
    return {
      path: root,
      secrets: await loadSecrets(root),
      announce: (running) => replaceFile(join(root, 'running.json'), JSON.stringify(running)),
      release,
    }
  } catch (error) {
    await release()
    throw error
  }
}

/**
 * Makes the directory if there is none, and keeps every other process from using it.
 * @returns what gives it free
 * @throws DataDirError when it can't be used, or another process uses it
 */
export const lockDataDir = async (root: string): Promise<() => Promise<void>> => {
  const unlock = await usable(root, async () => {
    await mkdir(root, { recursive: true })
    // Accounts of the database and of sandboxes pass through to what is theirs; they can't list it.
    await chmod(root, 0o711)
    return takeLock(join(root, lockFile))
  })
  const holder = join(root, holderFile)
  if (!unlock) {
    const pid = await readFile(holder, 'utf8').catch(() => undefined)
    throw new DataDirError(
      `${root} is in use by ${pid ? `process ${pid}` : 'another process'}: stop it, or name another directory with --data-dir`,
    )
  }
  // What a killed stack left here says where nobody is any more.
  await rm(join(root, 'running.json'), { force: true })
  await writeFile(holder, String(process.pid))
  return async () => {
    await rm(join(root, 'running.json'), { force: true })
    await rm(holder, { force: true })
    unlock()
  }
}

/** Kept when a directory is emptied. */
export const lockFile = 'lock'
/** For the message to whoever comes second. It proves nothing: the lock does. */
const holderFile = 'holder'

/** The stack that runs on this directory now; undefined when none does. */
export const findRunning = async (path: string): Promise<Running | undefined> => {
  const root = resolve(path)
  try {
    if (!isLocked(join(root, lockFile))) return undefined
    return runningSchema.parse(JSON.parse(await readFile(join(root, 'running.json'), 'utf8')))
  } catch {
    return undefined
  }
}

const checkVersion = async (root: string): Promise<void> => {
  const file = join(root, 'version')
  const found = await readFile(file, 'utf8').catch(() => undefined)
  if (found === undefined) {
    await replaceFile(file, String(layoutVersion))
    return
  }
  const version = Number(found)
  if (!(version <= layoutVersion))
    throw new DataDirError(
      `${root} was written by a newer Tutti (layout ${found.trim()}, this one knows ${layoutVersion}): run that version, or name another directory with --data-dir`,
    )
}

const loadSecrets = async (root: string): Promise<Secrets> => {
  const file = join(root, 'secrets.json')
  const text = await usable(root, () => readFile(file, 'utf8').catch(unlessMissing))
  if (text !== undefined) {
    const parsed = secretsSchema.safeParse(parseJson(text))
    if (!parsed.success) throw new DataDirError(`${file} is damaged: restore it, or delete it to get new tokens`)
    return parsed.data
  }
  const make = (): string => randomBytes(32).toString('base64url')
  const secrets: Secrets = { clientToken: make(), workerToken: make(), internalToken: make(), secretKey: make() }
  await replaceFile(file, JSON.stringify(secrets, null, 2))
  return secrets
}

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A file that is there and can't be read must not count as missing: its secrets would be made anew. */
const unlessMissing = (error: NodeJS.ErrnoException): undefined => {
  if (error.code !== 'ENOENT') throw error
}

/** A folder that is a file, belongs to somebody else, or is on a full disk is no fault of this program. */
const usable = async <T>(root: string, use: () => Promise<T>): Promise<T> => {
  try {
    return await use()
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new DataDirError(`${root} can't be the data directory (${reason}): name another with --data-dir`, {
      cause: error,
    })
  }
}

/** Whole or not at all, readable only by its owner. */
const replaceFile = async (file: string, text: string): Promise<void> => {
  const fresh = `${file}.${process.pid}`
  await writeFile(fresh, text, { mode: 0o600 })
  await rename(fresh, file)
}
