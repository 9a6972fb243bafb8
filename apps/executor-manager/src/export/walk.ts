/** The files of a workspace that are worth keeping, found without ever following a link. */
import { checkKey } from '@tutti/objects'
import { RunFault } from '../fault.ts'
import { type Directory, openDirectory } from '../files/directory.ts'
import { runtimeFolder } from '../stage/paths.ts'

/** What tools make again, histories of version control, and our own things. */
const leftOut = new Set([
  ...['.git', '.hg', '.svn', '.DS_Store', runtimeFolder, '.poco-local'],
  ...['__pycache__', '.cache', '.pytest_cache', '.mypy_cache', '.ruff_cache', '.turbo', '.parcel-cache'],
  ...['node_modules', '.venv', 'venv', '.next', 'dist', 'build'],
])

export interface WalkOptions {
  ignoreDotFiles: boolean
  maxFiles: number
  maxBytes: number
  signal: AbortSignal
}

export interface FoundFile {
  /** From the workspace, with slashes. */
  path: string
  size: number
  modifiedMs: number
}

export interface Found {
  files: FoundFile[]
  /** Files whose names can’t be part of an object’s key; how many, because the names can’t be told either. */
  unnameable: number
}

export const walk = async (workspace: string, options: WalkOptions): Promise<Found> => {
  const found: Found & { bytes: number } = { files: [], unnameable: 0, bytes: 0 }
  const root = await openDirectory(workspace)
  try {
    await visit(root, '', options, found)
  } finally {
    await root.close()
  }
  return { files: found.files, unnameable: found.unnameable }
}

const visit = async (
  folder: Directory,
  prefix: string,
  options: WalkOptions,
  found: Found & { bytes: number },
): Promise<void> => {
  for (const { name, kind } of await folder.entries()) {
    if (leftOut.has(name) || name.startsWith('.tutti-') || (options.ignoreDotFiles && name.startsWith('.'))) continue
    options.signal.throwIfAborted()
    const path = `${prefix}${name}`
    if (kind === 'directory') {
      const child = await folder.directory(name)
      if (child === undefined) continue
      try {
        await visit(child, `${path}/`, options, found)
      } finally {
        await child.close()
      }
    } else if (kind === 'file') await note(folder, name, path, options, found)
  }
}

const note = async (
  folder: Directory,
  name: string,
  path: string,
  options: WalkOptions,
  found: Found & { bytes: number },
): Promise<void> => {
  if (!isKey(path)) {
    found.unnameable += 1
    return
  }
  const file = await folder.file(name)
  if (file === undefined) return
  try {
    const { size, mtimeMs } = await file.stat()
    found.files.push({ path, size, modifiedMs: mtimeMs })
    found.bytes += size
  } finally {
    await file.close()
  }
  if (found.files.length <= options.maxFiles && found.bytes <= options.maxBytes) return
  const mebibytes = Math.floor(options.maxBytes / 1024 ** 2)
  throw new RunFault(
    'WORKSPACE_TOO_LARGE',
    `The workspace holds more than ${options.maxFiles} files or ${mebibytes} MB to keep: remove some, or put them into a folder that is left out`,
  )
}

const isKey = (path: string): boolean => {
  // U+FFFD stands where a name is not UTF-8: the file could not even be opened by it. The rest of the key is ours.
  if (path.includes('\uFFFD') || Buffer.byteLength(path) > 600) return false
  try {
    checkKey(path)
    return true
  } catch {
    return false
  }
}
