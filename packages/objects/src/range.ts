import { ObjectStoreError } from './errors.ts'
import type { ByteRange } from './port.ts'

/** Refuses what is no range, whatever the size of the object. */
export function checkRange({ start, end = start }: ByteRange): void {
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end < start) {
    throw new ObjectStoreError('INVALID_OPTION', 'A range is two byte offsets, from 0 up, in order')
  }
}

/** The range within an object of `size` bytes. Throws `RANGE_NOT_SATISFIABLE` when nothing of it is there. */
export function fitRange(range: ByteRange, size: number): Required<ByteRange> {
  checkRange(range)
  const { start, end = Math.max(start, size - 1) } = range
  if (start >= size) throw unsatisfiable(size)
  return { start, end: Math.min(end, size - 1) }
}

export function unsatisfiable(size?: number): ObjectStoreError {
  const where = size === undefined ? 'before the range begins' : `at byte ${size}`
  return new ObjectStoreError('RANGE_NOT_SATISFIABLE', `The object ends ${where}`)
}
