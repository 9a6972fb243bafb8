import { createHash } from 'node:crypto'

/**
 * The id that follows from these words: whoever makes a job from the same ones makes the same job, and so makes it once.
 * A UUID of version 8 (RFC 9562), its bits taken from SHA-256. No word can be read as the end of another.
 */
export const derivedId = (...words: string[]): string => {
  const bytes = createHash('sha256').update(JSON.stringify(words)).digest().subarray(0, 16)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
