/**
 * How a sandbox that was started ahead comes to a workspace: what it has mounted is a directory, wherever that lies, so
 * its own empty directory is put into the workspace's place, with the workspace's files in it. No mount is made or
 * changed: what the sandbox sees is what it saw from its start on, one directory.
 */
import { chmod, lstat, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode } from '../error.ts'

/**
 * Moves `own` to `workspace`. Of two entries of one name the workspace's stays. Nothing may run in either meanwhile.
 * After a crash at any line `finishTakingPlace` brings it to its end.
 */
export async function takePlace(own: string, workspace: string): Promise<void> {
  await finishTakingPlace(workspace)
  await rename(own, incoming(workspace))
  await finishTakingPlace(workspace)
}

/**
 * To be called before anything else looks into a workspace that may have been bound by a process that was killed: until
 * then some of its files lie beside it. Without effect on any other. The sandbox of then must have been reaped.
 */
export async function finishTakingPlace(workspace: string): Promise<void> {
  const from = incoming(workspace)
  if (!(await exists(from))) return
  for (const name of await namesIn(workspace)) {
    await rm(join(from, name), { recursive: true, force: true })
    await move(join(workspace, name), join(from, name))
  }
  // Over the directory that is empty now: at no instant is there none.
  await rename(from, workspace)
}

/** Beside the workspace: moving within one directory's file system is renaming. */
const incoming = (workspace: string): string => `${workspace}.incoming`

/** Whoever is not root may move a directory only where it may write to it, and an agent may have made it read-only. */
async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to)
  } catch (error) {
    const stats = await lstat(from)
    if (errorCode(error) !== 'EACCES' || !stats.isDirectory()) throw error
    const mode = stats.mode & 0o7777
    await chmod(from, mode | 0o700)
    await rename(from, to)
    await chmod(to, mode)
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw error
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false
    throw error
  }
}
