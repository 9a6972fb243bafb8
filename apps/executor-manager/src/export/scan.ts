/** What lies in a workspace, found without reading a file and without ever following a link. */
import { RunFault } from '../fault.ts'
import { type Directory, openDirectory } from '../files/directory.ts'
import type { FileStats } from '../files/known-files.ts'
import type { KeepRules } from './rules.ts'

export interface ScanOptions {
  rules: KeepRules
  maxFiles: number
  maxBytes: number
  signal: AbortSignal
}

export interface FoundFile {
  /** From the workspace, with slashes. */
  path: string
  shown: boolean
  size: number
  executable: boolean
  modifiedMs: number
  stats: FileStats
}

export interface Found {
  files: FoundFile[]
  links: { path: string; target: string }[]
  /** With nothing in them that is kept. */
  emptyFolders: string[]
  skipped: { path: string; reason: 'name' | 'size' }[]
  bytes: number
}

export const scan = async (workspace: string, options: ScanOptions): Promise<Found> => {
  const found: Found = { files: [], links: [], emptyFolders: [], skipped: [], bytes: 0 }
  const root = await openDirectory(workspace)
  try {
    await visit(root, '', options, found)
  } finally {
    await root.close()
  }
  return found
}

/** Entries are looked at this many at a time: a folder may hold a hundred thousand. */
const atOnce = 256

/** Answers whether the folder has anything that is kept. */
const visit = async (folder: Directory, prefix: string, options: ScanOptions, found: Found): Promise<boolean> => {
  const { rules, signal } = options
  const entries = (await folder.entries()).filter(({ name, kind }) => {
    // U+FFFD stands where a name is not UTF-8: the file could not even be opened by it.
    if (name.includes('\uFFFD')) {
      if (kind !== 'other') found.skipped.push({ path: `${prefix}${name}`, reason: 'name' })
      return false
    }
    return rules.of(`${prefix}${name}`, name, kind === 'directory' ? 'directory' : 'file') !== 'remade'
  })
  let kept = 0
  for (let at = 0; at < entries.length; at += atOnce) {
    signal.throwIfAborted()
    const files = entries.slice(at, at + atOnce).filter(({ kind }) => kind === 'file' || kind === 'link')
    await Promise.all(
      files.map(async ({ name, kind }) => {
        if (kind === 'file') await noteFile(folder, name, `${prefix}${name}`, options, found)
        else found.links.push({ path: `${prefix}${name}`, target: await folder.target(name) })
      }),
    )
    kept += files.length
  }
  for (const { name, kind } of entries) {
    if (kind !== 'directory') continue
    const inner = await folder.directory(name)
    if (inner === undefined) continue
    kept += 1
    try {
      const path = `${prefix}${name}`
      if (!(await visit(inner, `${path}/`, options, found))) found.emptyFolders.push(path)
    } finally {
      await inner.close()
    }
  }
  return kept > 0
}

const noteFile = async (
  folder: Directory,
  name: string,
  path: string,
  { rules, maxFiles, maxBytes }: ScanOptions,
  found: Found,
): Promise<void> => {
  const stats = await folder.stat(name)
  if (!stats?.isFile()) return
  const size = Number(stats.size)
  // A file with holes may claim any size: it costs itself, not the turn.
  if (size > maxBytes) {
    found.skipped.push({ path, reason: 'size' })
    return
  }
  const shown = rules.of(path, name, 'file') === 'shown'
  const executable = (stats.mode & 0o111n) !== 0n
  found.files.push({ path, shown, size, executable, modifiedMs: Number(stats.mtimeMs), stats })
  found.bytes += size
  if (found.files.length <= maxFiles && found.bytes <= maxBytes) return
  const mebibytes = Math.floor(maxBytes / 1024 ** 2)
  throw new RunFault(
    'WORKSPACE_TOO_LARGE',
    `The workspace holds more than ${maxFiles} files or ${mebibytes} MB to keep: remove some, or put them into a folder that is left out`,
  )
}
