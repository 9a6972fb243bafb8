import type { ByteRange } from '../port.ts'

/**
 * The one range that a Range header asks for, within an object of `size` bytes. `null` is the whole object: the header is
 * missing, malformed, or asks for several ranges, all of which a server may answer in full. `unsatisfiable` is a 416.
 */
export function readRange(header: string | undefined, size: number): Required<ByteRange> | 'unsatisfiable' | null {
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '') ?? []
  if (first === undefined || last === undefined || (first === '' && last === '')) return null
  if (first === '') {
    const length = Math.min(Number(last), size)
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size - 1 }
  }
  const start = Number(first)
  if (last !== '' && Number(last) < start) return null
  if (start >= size) return 'unsatisfiable'
  return { start, end: last === '' ? size - 1 : Math.min(Number(last), size - 1) }
}

/** Whether one of the tags of an If-None-Match header is this object's. */
export function matchesTag(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false
  return header.split(',').some((part) => ['*', etag].includes(part.trim().replace(/^W\//, '')))
}
