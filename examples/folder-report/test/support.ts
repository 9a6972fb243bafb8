import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Work } from '../src/root.ts'

/** A folder with these files, which goes with the test. */
export const folderWith = async (files: Record<string, string | Uint8Array>): Promise<string> => {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'tutti-folder-')))
  onTestFinished(() => rm(folder, { recursive: true }))
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), content)
  }
  return folder
}

export const aTask = (fields: Partial<Work> = {}): Work => ({
  signal: new AbortController().signal,
  progress: () => {},
  ...fields,
})

/** Runs a command in a UTF-8 locale. */
export const run = (folder: string, command: string, ...args: string[]): string =>
  execFileSync(command, args, {
    cwd: folder,
    encoding: 'utf8',
    env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8' },
    maxBuffer: 1e9,
  })
