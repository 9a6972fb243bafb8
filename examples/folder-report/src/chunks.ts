/** Shares files out so that the pieces are about equally much work. */
import { byText } from './report.ts'

export interface SizedFile {
  path: string
  bytes: number
}

const mostChunks = 64
const defaultChunkSize = 25

/** A file costs something however small it is: without this, ten thousand empty ones would all land in one piece. */
const costOfOpening = 1024

/**
 * At least two pieces where there are two files, at most 64; otherwise as many as it takes to have `chunkSize` files in
 * each on average. The largest file goes first, each to the piece that has least so far; the same files give the same
 * pieces.
 */
export const shareOut = (files: readonly SizedFile[], chunkSize: number = defaultChunkSize): string[][] => {
  const wanted = Math.min(mostChunks, Math.max(2, Math.ceil(files.length / chunkSize)))
  const chunks = Array.from({ length: Math.min(wanted, files.length) }, () => ({ load: 0, paths: [] as string[] }))
  const largestFirst = files.toSorted((a, b) => b.bytes - a.bytes || byText(a.path, b.path))
  for (const { path, bytes } of largestFirst) {
    const lightest = chunks.reduce((least, chunk) => (chunk.load < least.load ? chunk : least))
    lightest.load += bytes + costOfOpening
    lightest.paths.push(path)
  }
  return chunks.map(({ paths }) => paths.sort(byText))
}
