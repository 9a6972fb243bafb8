import { execFile } from 'node:child_process'
import { lchownSync, lstatSync, readdirSync } from 'node:fs'
import { chmod, chown, lchown, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { SandboxError } from '../error.ts'
import type { ResolvedSpec } from '../spec.ts'

const run = promisify(execFile)

/** Gives the sandbox's user what it must own: the workspace, and the relay's sockets where there are some. */
export async function giveFiles(spec: Pick<ResolvedSpec, 'workspace' | 'socketDir'>, uid: number): Promise<void> {
  await giveWorkspace(spec.workspace, uid)
  if (spec.socketDir) await giveSockets(spec.socketDir.from, uid)
}

/**
 * Gives every file of the workspace to the sandbox's user. Links are never followed: one left by an earlier agent may
 * point at a file of the host. Nothing of the sandbox runs meanwhile, so nothing can be swapped under it.
 */
export async function giveWorkspace(workspace: string, uid: number): Promise<void> {
  try {
    if (!giveFew(workspace, uid)) {
      const wrong = ['!', '(', '-uid', String(uid), '-gid', String(uid), ')']
      await run('find', [workspace, '-xdev', ...wrong, '-exec', 'chown', '-h', '--', `${uid}:${uid}`, '{}', '+'])
    }
    const { mode } = await stat(workspace)
    await chmod(workspace, (mode & 0o7777) | 0o700)
  } catch (error) {
    throw new SandboxError(
      `the workspace ${workspace} cannot be given to user ${uid}`,
      'keep workspaces on a local file system that this process owns',
      { cause: error },
    )
  }
}

/** A program costs ten milliseconds, and a turn waits for them; so many entries cost one. */
const few = 200

/** False where there are more, in deeper folders or other file systems than are worth it: then some are given, and some not. */
function giveFew(workspace: string, uid: number): boolean {
  const { dev } = lstatSync(workspace)
  let left = few
  const give = (path: string): boolean => {
    left -= 1
    const found = lstatSync(path)
    if (left < 0 || found.dev !== dev || path.length > longestPath) return false
    if (found.uid !== uid || found.gid !== uid) lchownSync(path, uid, uid)
    return !found.isDirectory() || readdirSync(path).every((name) => give(join(path, name)))
  }
  return give(workspace)
}

/** In characters, which may have four bytes; the kernel takes 4096 of them. */
const longestPath = 1000

/**
 * Lets the sandbox's user connect to the sockets in a directory, and nobody else beside the owner. The directory hands
 * its group on, so a socket that is made again later needs only `chmod 0660`.
 */
async function giveSockets(dir: string, uid: number): Promise<void> {
  await chown(dir, -1, uid)
  await chmod(dir, 0o2750)
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    if (!entry.isSocket()) continue
    await lchown(join(dir, entry.name), -1, uid)
    await chmod(join(dir, entry.name), 0o660)
  }
}
