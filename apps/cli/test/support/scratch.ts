/** Folders that end with their test, together with whoever still works in them. */
import { chmod, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { testDatabase } from '@tutti/stores/testing'
import { onTestFinished } from 'vitest'
import { processesOf } from './processes.ts'

export const scratch = async (): Promise<string> => {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'tutti-cli-')))
  // The account of the database passes through.
  await chmod(folder, 0o711)
  onTestFinished(async () => {
    for (const { pid } of processesOf(folder)) killNow(pid)
    // A database server that was killed may still be writing.
    await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
  })
  return folder
}

const killNow = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended in this moment.
  }
}

/** @param files path and text */
export const folderOf = async (parent: string, files: Record<string, string>): Promise<string> => {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(parent, path)), { recursive: true })
    await writeFile(join(parent, path), text)
  }
  return parent
}

/** @returns its address; ends with the test */
export const freshDatabase = async (): Promise<string> => {
  const { connectionString, drop } = await testDatabase()
  onTestFinished(drop)
  return connectionString
}

/** Lets a TypeScript file outside the repository import a package of ours. */
export const importable = (name: string): string => JSON.stringify(import.meta.resolve(name))
