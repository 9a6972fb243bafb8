import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, rename, rm, rmdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { finishBinding } from '@tutti/sandbox'
import { errnoOf } from '../fault.ts'

const run = promisify(execFile)

/**
 * Packs a session's workspace, all of it, as WORKSPACE_ROOT/archive/{user}/{day}/{session}.tar.gz: whole or not at all. Links
 * are packed as links.
 * @param user the name of the user's folder
 */
export const packWorkspace = async (
  workspaceRoot: string,
  { user, session, folder }: { user: string; session: string; folder: string },
  now: Date,
): Promise<string> => {
  const temporary = join(workspaceRoot, 'temp', `archive-${randomBytes(8).toString('hex')}`)
  const archive = join(workspaceRoot, 'archive', user, now.toISOString().slice(0, 10), `${session}.tar.gz`)
  await mkdir(dirname(temporary), { recursive: true, mode: 0o700 })
  await mkdir(dirname(archive), { recursive: true, mode: 0o700 })
  await finishBinding(join(folder, 'workspace'))
  try {
    // One that nobody has written anything down about has no meta.json.
    const members = ['meta.json', 'workspace'].filter((name) => existsSync(join(folder, name)))
    await run('tar', ['--create', '--gzip', '--file', temporary, '--directory', folder, ...members])
    await rename(temporary, archive)
  } finally {
    await rm(temporary, { force: true })
  }
  return archive
}

/** Removes archives that were made longer ago, and folders that are empty then; answers how many. */
export const expireArchives = async (workspaceRoot: string, maxAgeMs: number, now: Date): Promise<number> => {
  const root = join(workspaceRoot, 'archive')
  let expired = 0
  for (const user of await namesIn(root)) {
    for (const day of await namesIn(join(root, user))) {
      for (const name of await namesIn(join(root, user, day))) {
        const path = join(root, user, day, name)
        const { mtimeMs } = await stat(path)
        if (now.getTime() - mtimeMs <= maxAgeMs) continue
        await rm(path, { force: true })
        expired += 1
      }
      await dropEmpty(join(root, user, day))
    }
    await dropEmpty(join(root, user))
  }
  return expired
}

export const namesIn = async (folder: string): Promise<string[]> => {
  try {
    return await readdir(folder)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return []
    throw error
  }
}

export const dropEmpty = async (folder: string): Promise<void> => {
  try {
    await rmdir(folder)
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST', 'ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) throw error
  }
}
