/** Folders for the relays' sockets: a fresh private one per sandbox, mounted into it and removed after it. */
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, rm, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Of 108 in `sun_path`, less the folder's and the socket's own names. */
const longestRoot = 70

/**
 * Where they are made: beside the workspaces, or in the temporary folder where that path would be too long for a socket.
 * What former processes left is removed; a process that lives keeps its folders.
 */
export const prepareSocketRoot = async (workspaceRoot: string): Promise<string> => {
  const beside = join(workspaceRoot, 'relay')
  if (Buffer.byteLength(beside) > longestRoot) return mkdtemp(join(tmpdir(), 'tutti-'))
  await mkdir(beside, { recursive: true, mode: 0o700 })
  for (const name of await readdir(beside)) {
    if (!isAlive(Number(name.split('-')[0]))) await rm(join(beside, name), { recursive: true, force: true })
  }
  return beside
}

export const makeSocketFolder = async (root: string): Promise<string> => {
  const path = join(root, `${process.pid}-${randomBytes(6).toString('hex')}`)
  await mkdir(path, { recursive: true, mode: 0o700 })
  return path
}

/** Removes the folder once nobody has a socket in it; another manager may make it again. */
export const dropSocketRoot = async (root: string): Promise<void> => {
  await rmdir(root).catch(() => undefined)
}

export const isAlive = (pid: number): boolean => {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
