/** Folders of the sandboxes that are started ahead: empty, and on the file system of the workspaces, whose place one takes. */
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isAlive } from './socket-folder.ts'

/** Removes what former processes left; to be called when their sandboxes are gone. */
export const prepareWaitingFolders = async (workspaceRoot: string): Promise<void> => {
  const root = rootOf(workspaceRoot)
  await mkdir(root, { recursive: true, mode: 0o700 })
  for (const name of await readdir(root))
    if (!isAlive(Number(name.split('-')[0]))) await rm(join(root, name), { recursive: true, force: true })
}

export const makeWaitingFolder = async (workspaceRoot: string): Promise<string> => {
  const path = join(rootOf(workspaceRoot), `${process.pid}-${randomBytes(6).toString('hex')}`)
  await mkdir(path, { recursive: true, mode: 0o700 })
  return path
}

const rootOf = (workspaceRoot: string): string => join(workspaceRoot, 'pool')
