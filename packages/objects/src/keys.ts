import { ObjectStoreError } from './errors.ts'

const longestKeyBytes = 1024

/**
 * Refuses a key that could mean another place, or that two stores could read differently. A key is 1 to 1024 bytes of
 * UTF-8; `/` separates segments that are not empty and not `.` or `..`; no backslash and no control character.
 */
export function checkKey(key: string): void {
  if (key === '') throw invalid(key, 'is empty')
  checkCharacters(key)
  for (const segment of key.split('/')) {
    if (segment === '') throw invalid(key, 'starts with, ends with or doubles a slash')
    if (segment === '.' || segment === '..') throw invalid(key, `has the segment “${segment}”`)
  }
}

/** The same rules for the beginning of a key, which may be empty and may end anywhere. */
export function checkPrefix(prefix: string): void {
  if (prefix === '') return
  checkCharacters(prefix)
  const segments = prefix.split('/').slice(0, -1)
  for (const segment of segments) {
    if (['', '.', '..'].includes(segment)) throw invalid(prefix, 'can’t be the beginning of a key')
  }
}

/** The most objects that a page of a listing has. */
export const longestPage = 1000

export function checkPageLimit(limit: number): void {
  if (Number.isInteger(limit) && limit >= 1 && limit <= longestPage) return
  throw new ObjectStoreError('INVALID_OPTION', `A page has 1 to ${longestPage} objects`)
}

function checkCharacters(key: string): void {
  if (Buffer.byteLength(key) > longestKeyBytes) throw invalid(key, `is longer than ${longestKeyBytes} bytes`)
  // A lone surrogate has no UTF-8, and all of them would be written as the same replacement character.
  if (!key.isWellFormed()) throw invalid(key, 'is not valid Unicode')
  if (/[\p{Cc}\\]/u.test(key)) throw invalid(key, 'has a control character or a backslash')
}

function invalid(key: string, reason: string): ObjectStoreError {
  return new ObjectStoreError('INVALID_KEY', `The key ${JSON.stringify(key.slice(0, 120))} ${reason}`)
}

/** The order of keys: by their UTF-8 bytes, as S3 lists them. Strings of JavaScript compare otherwise. */
export function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
