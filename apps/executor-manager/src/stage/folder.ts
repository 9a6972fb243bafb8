/** Copying a folder of the host into a workspace: only from below STAGING_ROOTS, and only what belongs to the work. */
import type { FileHandle } from 'node:fs/promises'
import { realpath } from 'node:fs/promises'
import { isAbsolute, join, relative } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { WorkspaceSpec } from '@tutti/contracts'
import { RunFault } from '../fault.ts'
import { type Directory, openDirectory } from '../files/directory.ts'
import { sideBySide } from '../files/side-by-side.ts'
import { enterFolder, type IgnoreLevels, isIgnored } from './gitignore.ts'
import { segmentsOf } from './paths.ts'
import { placeFile, withFolder } from './place.ts'

type Folder = NonNullable<WorkspaceSpec['folder']>

export interface CopyOptions {
  stagingRoots: readonly string[]
  maxFiles: number
  maxBytes: number
  signal: AbortSignal
}

/** History and what a package manager can fetch again: large, and nothing that an agent is asked about. */
const leftOut = new Set(['.git', 'node_modules'])

/** Files are copied this many at a time. */
const parallel = 8

/** Read at once below this size; above it in pieces. */
const smallBytes = 1024 * 1024

interface Copying extends CopyOptions {
  sourceRoot: string
  files: number
  bytes: number
}

export const copyFolder = async (workspace: Directory, folder: Folder, options: CopyOptions): Promise<void> => {
  const segments = segmentsOf(folder.path)
  const sourceRoot = await allowedFolder(folder.host_path, options.stagingRoots)
  const source = await openDirectory(sourceRoot)
  try {
    const copying: Copying = { ...options, sourceRoot, files: 0, bytes: 0 }
    await withFolder(workspace, segments, (target) => copyTree(source, target, { path: '', above: [] }, copying))
  } finally {
    await source.close()
  }
}

/** The folder's real path. What is missing and what is forbidden look the same: nobody learns here what the host has. */
export const allowedFolder = async (hostPath: string, stagingRoots: readonly string[]): Promise<string> => {
  const refused = new RunFault(
    'FOLDER_REFUSED',
    stagingRoots.length === 0
      ? `The folder ${JSON.stringify(hostPath)} can’t be copied in: STAGING_ROOTS of the executor manager is empty`
      : `The folder ${JSON.stringify(hostPath)} is not below one of the executor manager’s STAGING_ROOTS, or does not exist`,
  )
  if (!isAbsolute(hostPath) || hostPath.includes('\0')) throw refused
  const real = await realpath(hostPath).catch(() => undefined)
  if (real === undefined) throw refused
  for (const root of stagingRoots) {
    const realRoot = await realpath(root).catch(() => undefined)
    if (realRoot !== undefined && isWithin(realRoot, real)) return real
  }
  throw refused
}

const isWithin = (root: string, path: string): boolean => {
  const way = relative(root, path)
  return way === '' || (!isAbsolute(way) && way !== '..' && !way.startsWith('../'))
}

/** Where the copy is: a folder below the copied one, with a slash at the end ('' for that one), and the ignore files above. */
interface Place {
  path: string
  above: IgnoreLevels
}

const copyTree = async (source: Directory, target: Directory, place: Place, copying: Copying): Promise<void> => {
  const { path } = place
  const levels = await enterFolder(source, path, place.above)
  const entries = (await source.entries()).filter(
    ({ name, kind }) => !leftOut.has(name) && !isIgnored(levels, path, kind === 'directory' ? `${name}/` : name),
  )
  await sideBySide(entries, parallel, async ({ name, kind }) => {
    copying.signal.throwIfAborted()
    if (kind === 'file') await copyFile(source, target, name, copying)
    else if (kind === 'link') await copyLink(target, name, join(copying.sourceRoot, path), copying)
  })
  // One after the other: each holds two open for as long as it takes, and a tree may be wide at every depth.
  for (const { name, kind } of entries) {
    copying.signal.throwIfAborted()
    const inner = { path: `${path}${name}/`, above: levels }
    if (kind === 'directory') await copyDirectory(source, target, name, inner, copying)
  }
}

const copyDirectory = async (
  source: Directory,
  target: Directory,
  name: string,
  inner: Place,
  copying: Copying,
): Promise<void> => {
  const from = await source.directory(name)
  if (from === undefined) return
  try {
    count(copying, 0)
    await withFolder(target, [name], (to) => copyTree(from, to, inner, copying))
  } finally {
    await from.close()
  }
}

const copyFile = async (source: Directory, target: Directory, name: string, copying: Copying): Promise<void> => {
  const from = await source.file(name)
  if (from === undefined) return
  try {
    const { mode, size } = await from.stat()
    count(copying, size)
    await placeFile(target, name, (mode & 0o111) === 0 ? 0o644 : 0o755, (to) => copyBytes(from, to, size))
  } finally {
    await from.close()
  }
}

const copyBytes = async (from: FileHandle, to: FileHandle, size: number): Promise<void> => {
  if (size <= smallBytes) await to.writeFile(await from.readFile())
  else await pipeline(from.createReadStream({ autoClose: false }), to.createWriteStream({ autoClose: false }))
}

/** A link within the folder is kept, as a relative one; one that leads out of it would lead nowhere inside. */
const copyLink = async (target: Directory, name: string, path: string, copying: Copying): Promise<void> => {
  const real = await realpath(join(path, name)).catch(() => undefined)
  if (real === undefined || !isWithin(copying.sourceRoot, real)) return
  count(copying, 0)
  const folder = await target.directory(name)
  if (folder !== undefined) {
    await folder.close()
    return
  }
  await target.remove(name)
  await target.link(name, relative(path, real) || '.')
}

const count = (copying: Copying, bytes: number): void => {
  copying.files += 1
  copying.bytes += bytes
  if (copying.files <= copying.maxFiles && copying.bytes <= copying.maxBytes) return
  const mebibytes = Math.floor(copying.maxBytes / 1024 ** 2)
  throw new RunFault(
    'FOLDER_TOO_LARGE',
    `The folder holds more than ${copying.maxFiles} entries or ${mebibytes} MB: copy a smaller one`,
  )
}
