/** A folder of this machine as files that a message brings along: for a backend that cannot see this disk. */
import { execFile } from 'node:child_process'
import { openAsBlob, type Stats } from 'node:fs'
import { lstat, readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import type { Workbench } from '@tutti/client'
import type { InputFile, StagedFile } from '@tutti/contracts'
import { UsageError } from '../faults.ts'

export interface LocalFiles {
  /** Texts that travel in the message itself. */
  files: StagedFile[]
  /** All others, to be uploaded before: where each lies here, and in the workspace. */
  uploads: { file: string; path: string; executable?: true }[]
  /** Links, and what is no file at all. */
  leftOut: string[]
}

/** Of each kind: see `workspaceSpec` and `input_files`. */
const mostFiles = 1000
/** Of all texts in a message, which has 32 MB; and of one. What is more is uploaded. */
const mostBytes = 24_000_000
const mostBytesOfText = 1_000_000

/** In a git repository what it tracks or would track; else all but what tools make again. @throws UsageError */
export const readLocalFiles = async (folder: string): Promise<LocalFiles> => {
  const paths = (await gitPaths(folder)) ?? (await allPaths(folder, ''))
  const found: LocalFiles = { files: [], uploads: [], leftOut: [] }
  let bytes = 0
  for (const name of paths) {
    const file = join(folder, name)
    const path = `${nameInWorkspace(folder)}/${name}`
    // It may be gone by now, or be a folder, such as a submodule's.
    const about = await lstat(file).catch(() => null)
    if (about === null || about.isDirectory()) continue
    if (!about.isFile()) {
      found.leftOut.push(name)
      continue
    }
    const fits = about.size <= mostBytesOfText && bytes + about.size <= mostBytes
    const content = fits ? textOf(await readFile(file)) : undefined
    const executable = isExecutable(about) ? { executable: true as const } : {}
    if (content === undefined) found.uploads.push({ file, path, ...executable })
    else found.files.push({ path, content, ...executable })
    bytes += content === undefined ? 0 : about.size
    if (found.files.length > mostFiles || found.uploads.length > mostFiles)
      throw new UsageError(
        `${folder} holds more than ${mostFiles} files, the most that a message brings along: name a smaller folder, a repository with --repo, or on the stack’s own machine --folder`,
      )
  }
  return found
}

/** One after the other: a line that is slow is no faster for several at a time. */
export const uploadFiles = async (workbench: Workbench, uploads: LocalFiles['uploads']): Promise<InputFile[]> => {
  const kept: InputFile[] = []
  for (const { file, path, executable } of uploads) {
    const upload = await workbench.attachments.upload(basename(file), await openAsBlob(file))
    kept.push({ ...upload, path, ...(executable ? { executable } : {}) })
  }
  return kept
}

/** As git sees it: by its owner. */
export const isExecutable = ({ mode }: Pick<Stats, 'mode'>): boolean => (mode & 0o100) !== 0

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

/** Undefined: some of its bytes would be others as text. */
const textOf = (content: Buffer): string | undefined => {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content)
    // The database can't hold it.
    return text.includes('\0') ? undefined : text
  } catch {
    return undefined
  }
}
