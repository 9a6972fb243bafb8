/** The data directory of a stack: who uses it, which version wrote it, and the secrets it made for itself. */
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { chmod, mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { z } from 'zod'

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
export const runningSchema = z.object({
  pid: z.int(),
  apiUrl: z.string(),
  backendUrl: z.string(),
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
 * @throws DataDirError when another process uses it, or a newer version wrote it
 */
export const openDataDir = async (path: string): Promise<DataDir> => {
  const root = resolve(path)
  await mkdir(root, { recursive: true })
  // Accounts of the database and of sandboxes pass through to what is theirs; they can't list it.
  await chmod(root, 0o711)
  await checkVersion(root)
  const unlock = await lock(root)
  const secrets = await loadSecrets(root)
  return {
    path: root,
    secrets,
    announce: (running) => replaceFile(join(root, 'running.json'), JSON.stringify(running)),
    release: async () => {
      await rm(join(root, 'running.json'), { force: true })
      await unlock()
    },
  }
}

/** The stack that runs on this directory now, with its secrets; undefined when none does. */
export const findRunning = async (path: string): Promise<(Running & { secrets: Secrets }) | undefined> => {
  const root = resolve(path)
  const read = async (name: string): Promise<unknown> => JSON.parse(await readFile(join(root, name), 'utf8'))
  try {
    const running = runningSchema.parse(await read('running.json'))
    if (!isAlive(running.pid)) return undefined
    return { ...running, secrets: secretsSchema.parse(await read('secrets.json')) }
  } catch {
    return undefined
  }
}

const checkVersion = async (root: string): Promise<void> => {
  const file = join(root, 'version')
  const found = await readFile(file, 'utf8').catch(() => undefined)
  if (found === undefined) {
    await writeFile(file, String(layoutVersion))
    return
  }
  const version = Number(found)
  if (!(version <= layoutVersion))
    throw new DataDirError(
      `${root} was written by a newer Tutti (layout ${found.trim()}, this one knows ${layoutVersion}): run that version, or name another directory with --data-dir`,
    )
}

/** A file that names the holder's process. One left by a process that was killed is taken over. */
const lock = async (root: string): Promise<() => Promise<void>> => {
  const file = join(root, 'lock')
  for (let tries = 0; tries < 3; tries += 1) {
    try {
      const handle = await open(file, 'wx')
      await handle.writeFile(String(process.pid))
      await handle.close()
      return () => rm(file, { force: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      const holder = Number(await readFile(file, 'utf8').catch(() => '0'))
      if (holder > 0 && holder !== process.pid && isAlive(holder))
        throw new DataDirError(
          `${root} is in use by process ${holder}: stop it, or name another directory with --data-dir`,
        )
      await rm(file, { force: true })
    }
  }
  throw new DataDirError(`${root} is being taken by several processes at once: start again`)
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    // A killed process that nobody has waited for yet still has its number, and will never let go of the lock.
    return !/^\d+ \(.*\) Z /s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return !existsSync('/proc/self/stat')
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

const loadSecrets = async (root: string): Promise<Secrets> => {
  const file = join(root, 'secrets.json')
  const text = await readFile(file, 'utf8').catch(() => undefined)
  if (text !== undefined) {
    const parsed = secretsSchema.safeParse(JSON.parse(text))
    if (!parsed.success) throw new DataDirError(`${file} is damaged: restore it, or delete it to get new tokens`)
    return parsed.data
  }
  const make = (): string => randomBytes(32).toString('base64url')
  const secrets: Secrets = { clientToken: make(), workerToken: make(), internalToken: make(), secretKey: make() }
  await replaceFile(file, JSON.stringify(secrets, null, 2))
  return secrets
}

/** Whole or not at all, readable only by its owner. */
const replaceFile = async (file: string, text: string): Promise<void> => {
  const fresh = `${file}.${process.pid}`
  await writeFile(fresh, text, { mode: 0o600 })
  await rename(fresh, file)
}
