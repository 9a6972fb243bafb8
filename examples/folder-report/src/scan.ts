/** Finds the text files of a folder. */
import type { Dirent } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { z } from 'zod'
import { type SizedFile, shareOut } from './chunks.ts'
import { enterFolder, type IgnoreLevels, isIgnored } from './gitignore.ts'
import { byText } from './report.ts'
import { openRegular, openRoot, type Work } from './root.ts'

export const absoluteFolder = z
  .string()
  .max(4096)
  .refine((path) => isAbsolute(path) && !path.includes('\0'), 'must be an absolute path')

export const scanParams = z.object({
  folder: absoluteFolder,
  /** Files per chunk, on average. */
  chunk_size: z.int().min(1).max(100_000).optional(),
})
export type ScanParams = z.infer<typeof scanParams>

export interface Scan {
  /** The folder without symbolic links in its path. */
  root: string
  /** By path. */
  files: SizedFile[]
  chunks: string[][]
  skipped: {
    /** Files with a NUL among their first 8,000 bytes, which is how git tells. */
    binary: number
    /** Files, and folders as one each, that a .gitignore leaves out. */
    ignored: number
    /** Symbolic links (what they lead to inside the folder is counted there), pipes, sockets, unreadable ones. */
    other: number
  }
}

const sniffBytes = 8_000

/** Folders named `.git` don't count at all. */
export const scanFolder = async (
  { folder, chunk_size }: ScanParams,
  { signal, progress, roots }: Work,
): Promise<Scan> => {
  const root = await openRoot(folder, roots)
  const files: SizedFile[] = []
  const skipped = { binary: 0, ignored: 0, other: 0 }

  const visit = async (entry: Dirent, inFolder: string, levels: IgnoreLevels): Promise<string | undefined> => {
    const path = inFolder + entry.name
    if (isIgnored(levels, inFolder, entry.isDirectory() ? `${entry.name}/` : entry.name)) skipped.ignored += 1
    else if (entry.isDirectory()) return `${path}/`
    else if (!entry.isFile()) skipped.other += 1
    else {
      const found = await sniff(join(root, path)).catch(() => undefined)
      if (found === undefined) skipped.other += 1
      else if (found.binary) skipped.binary += 1
      else files.push({ path, bytes: found.bytes })
    }
    return undefined
  }

  const pending: { path: string; above: IgnoreLevels }[] = [{ path: '', above: [] }]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    signal.throwIfAborted()
    const { path, above } = next
    const entries = await readdir(join(root, path), { withFileTypes: true }).catch(() => undefined)
    if (entries === undefined) {
      skipped.other += 1
      continue
    }
    const levels = await enterFolder(root, path, above)
    for (const entry of entries) {
      if (entry.name === '.git') continue
      signal.throwIfAborted()
      const inner = await visit(entry, path, levels)
      if (inner !== undefined) pending.push({ path: inner, above: levels })
    }
    progress(0, `${files.length} files found`)
  }

  files.sort((a, b) => byText(a.path, b.path))
  progress(1, `${files.length} files found`)
  return { root, files, chunks: shareOut(files, chunk_size), skipped }
}

const sniff = async (path: string): Promise<{ bytes: number; binary: boolean } | undefined> => {
  const handle = await openRegular(path)
  if (handle === undefined) return undefined
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(sniffBytes), 0, sniffBytes, 0)
    return { bytes: (await handle.stat()).size, binary: buffer.subarray(0, bytesRead).includes(0) }
  } finally {
    await handle.close()
  }
}
