/** A folder of this machine as files that a message brings along: for a backend that cannot see this disk. */
import { execFile } from 'node:child_process'
import { lstat, readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import type { StagedFile } from '@tutti/contracts'
import { UsageError } from '../faults.ts'

export interface LocalFiles {
  files: StagedFile[]
  /** Links, and what is no text. */
  leftOut: string[]
}

/** What a message may hold, see `workspaceSpec`; the whole of it has 32 MB. */
const mostFiles = 1000
const mostBytes = 24_000_000

/** In a git repository what it tracks or would track; else all but what tools make again. */
export const readLocalFiles = async (folder: string): Promise<LocalFiles> => {
  const paths = (await gitPaths(folder)) ?? (await allPaths(folder, ''))
  const [files, leftOut]: [StagedFile[], string[]] = [[], []]
  let bytes = 0
  for (const path of paths) {
    const text = await textOf(join(folder, path))
    if (text === undefined) leftOut.push(path)
    if (typeof text !== 'string') continue
    files.push({ path: `${nameInWorkspace(folder)}/${path}`, content: text })
    bytes += Buffer.byteLength(text)
    if (files.length > mostFiles || bytes > mostBytes)
      throw new UsageError(
        `${folder} holds more than ${mostFiles} files or ${mostBytes / 1_000_000} MB, the most that a message brings along: name a smaller folder, a repository with --repo, or on the stack’s own machine --folder`,
      )
  }
  return { files, leftOut }
}

/** Where a folder's copy lies in the workspace. */
export const nameInWorkspace = (folder: string): string => basename(folder) || 'files'

const run = promisify(execFile)

/** Undefined where the folder is in no repository, or there is no git. */
const gitPaths = async (folder: string): Promise<string[] | undefined> => {
  const list = ['ls-files', '--cached', '--others', '--exclude-standard', '-z']
  try {
    const { stdout } = await run('git', ['-C', folder, ...list], { maxBuffer: 64_000_000 })
    return [...new Set(stdout.split('\0').filter((path) => path !== ''))]
  } catch {
    return undefined
  }
}

const madeAgain = new Set(['.git', 'node_modules', '__pycache__', '.venv', 'dist', 'build', '.tutti'])

const allPaths = async (folder: string, below: string): Promise<string[]> => {
  const paths: string[] = []
  for (const entry of await readdir(join(folder, below), { withFileTypes: true })) {
    if (madeAgain.has(entry.name)) continue
    const path = below === '' ? entry.name : `${below}/${entry.name}`
    if (entry.isDirectory()) paths.push(...(await allPaths(folder, path)))
    else paths.push(path)
  }
  return paths
}

/** Undefined: no text. Null: it is not there any more, or a folder such as a submodule's. */
const textOf = async (path: string): Promise<string | undefined | null> => {
  const about = await lstat(path).catch(() => null)
  if (about === null || about.isDirectory()) return null
  if (!about.isFile() || about.size > mostBytes) return undefined
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await readFile(path))
    return text.includes('\0') ? undefined : text
  } catch {
    return undefined
  }
}
