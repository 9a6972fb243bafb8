/** Puts the measurements of all chunks together. Pure: runs inside a blueprint. */
import type { Measurement } from './measure.ts'
import { byText, type ExtensionTotals, type FolderReport } from './report.ts'

const mostLargest = 10

/** The same whatever the order of the parts. */
export const joinMeasurements = (parts: readonly Measurement[]): FolderReport => {
  const sum = (field: 'files' | 'bytes' | 'lines' | 'words' | 'headings' | 'links') =>
    parts.reduce((total, part) => total + part[field], 0)
  const hashes = parts.flatMap((part) => part.hashes)
  return {
    files: sum('files'),
    bytes: sum('bytes'),
    lines: sum('lines'),
    words: sum('words'),
    headings: sum('headings'),
    links: sum('links'),
    broken_links: parts
      .flatMap((part) => part.broken_links)
      .sort((a, b) => byText(a.file, b.file) || byText(a.link, b.link)),
    todos: parts.flatMap((part) => part.todos).sort((a, b) => byText(a.file, b.file) || a.line - b.line),
    duplicates: findDuplicates(hashes),
    largest: hashes
      .toSorted((a, b) => b.bytes - a.bytes || byText(a.path, b.path))
      .slice(0, mostLargest)
      .map(({ path, bytes }) => ({ file: path, bytes })),
    by_extension: joinExtensions(parts),
    missing: parts.flatMap((part) => part.missing).sort(byText),
  }
}

const findDuplicates = (hashes: Measurement['hashes']): FolderReport['duplicates'] => {
  // Empty files are all alike, and nobody wants to hear of it.
  const groups = Map.groupBy(
    hashes.filter(({ bytes }) => bytes > 0),
    ({ sha256 }) => sha256,
  )
  return [...groups]
    .filter(([, same]) => same.length > 1)
    .map(([hash, same]) => ({ hash, files: same.map(({ path }) => path).sort(byText) }))
    .sort((a, b) => byText(a.files.join('\n'), b.files.join('\n')))
}

const joinExtensions = (parts: readonly Measurement[]): FolderReport['by_extension'] => {
  // A map: an object would take a file named `x.constructor` for something that it has already.
  const totals = new Map<string, ExtensionTotals>()
  for (const [extension, part] of parts.flatMap(({ by_extension }) => Object.entries(by_extension))) {
    const sum = totals.get(extension) ?? { files: 0, bytes: 0, lines: 0 }
    totals.set(extension, {
      files: sum.files + part.files,
      bytes: sum.bytes + part.bytes,
      lines: sum.lines + part.lines,
    })
  }
  return Object.fromEntries([...totals].sort(([a], [b]) => byText(a, b)))
}
