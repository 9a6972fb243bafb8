/** Reads files and counts what is in them. */
import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { posix } from 'node:path'
import { z } from 'zod'
import { createLineReader } from './line-reader.ts'
import { createLinkCheck } from './link-check.ts'
import { createMarkdownReader, isMarkdown } from './markdown.ts'
import type { BrokenLink, ExtensionTotals, FileHash, Todo } from './report.ts'
import { openInside, openRoot, type Work } from './root.ts'
import { absoluteFolder } from './scan.ts'
import { storable } from './storable.ts'
import { createTextCounter } from './text-counter.ts'
import { findTodo } from './todos.ts'

export const measureParams = z.object({
  folder: absoluteFolder,
  /** Paths below the folder, as the scan gives them. */
  files: z.array(z.string().min(1).max(4096)).max(1_000_000),
})
export type MeasureParams = z.infer<typeof measureParams>

/** What is in some of the files; `joinMeasurements` makes the report of all of them. */
export interface Measurement {
  files: number
  bytes: number
  lines: number
  words: number
  headings: number
  links: number
  broken_links: BrokenLink[]
  todos: Todo[]
  hashes: FileHash[]
  by_extension: Record<string, ExtensionTotals>
  missing: string[]
}

const pieceBytes = 256 * 1024

/** Reads in pieces: memory doesn't grow with the size of a file. */
export const measureFiles = async (
  { folder, files }: MeasureParams,
  { signal, progress, roots }: Work,
): Promise<Measurement> => {
  const root = await openRoot(folder, roots)
  const links = createLinkCheck(root)
  const totals = { files: 0, bytes: 0, lines: 0, words: 0, headings: 0, links: 0 }
  const broken_links: BrokenLink[] = []
  const todos: Todo[] = []
  const hashes: FileHash[] = []
  const missing: string[] = []
  const extensions = new Map<string, ExtensionTotals>()

  for (const [index, path] of files.entries()) {
    signal.throwIfAborted()
    const handle = await openInside(root, path)
    if (handle === undefined) {
      missing.push(path)
      continue
    }
    const file = await readFile(handle, path, signal)
    const { bytes, lines } = file
    totals.files += 1
    totals.bytes += bytes
    totals.lines += lines
    totals.words += file.words
    totals.headings += file.headings
    totals.links += file.targets.length
    todos.push(...file.todos.map((todo) => ({ file: path, ...todo })))
    hashes.push({ path, sha256: file.sha256, bytes })
    for (const link of file.targets) {
      if (await links.isBroken(path, link)) broken_links.push({ file: path, link: storable(link, 2048) })
    }
    const extension = extensionOf(path)
    const sum = extensions.get(extension) ?? { files: 0, bytes: 0, lines: 0 }
    extensions.set(extension, { files: sum.files + 1, bytes: sum.bytes + bytes, lines: sum.lines + lines })
    progress((index + 1) / files.length, path)
  }
  return { ...totals, broken_links, todos, hashes, by_extension: Object.fromEntries(extensions), missing }
}

const readFile = async (handle: FileHandle, path: string, signal: AbortSignal) => {
  const hash = createHash('sha256')
  const decoder = new TextDecoder()
  const counter = createTextCounter()
  const targets: string[] = []
  const todos: Omit<Todo, 'file'>[] = []
  const markdown = isMarkdown(extensionOf(path)) ? createMarkdownReader((target) => targets.push(target)) : undefined
  const reader = createLineReader((line, number) => {
    const todo = findTodo(line)
    if (todo !== undefined) todos.push({ line: number, ...todo })
    markdown?.line(line)
  })
  const take = (text: string) => {
    counter.push(text)
    reader.push(text)
  }

  let bytes = 0
  // The stream closes the handle, however the reading ends.
  for await (const piece of handle.createReadStream({ highWaterMark: pieceBytes, signal })) {
    bytes += piece.length
    hash.update(piece)
    take(decoder.decode(piece, { stream: true }))
  }
  take(decoder.decode())
  reader.end()
  const headings = markdown?.counts().headings ?? 0
  return { bytes, ...counter.counts(), headings, targets, todos, sha256: hash.digest('hex') }
}

const extensionOf = (path: string): string => posix.extname(path).slice(1).toLowerCase() || '(none)'
