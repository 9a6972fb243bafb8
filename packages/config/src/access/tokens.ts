/** Tokens are compared as hashes, so that neither their length nor their first characters can be measured. */
import { createHash, timingSafeEqual } from 'node:crypto'

/** SHA-256 of the token, hex. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token, 'utf8').digest('hex')
}

/** The entry whose hash belongs to the token. Looks at every entry: stopping early would tell where it stands. */
export function findByToken<Entry extends { tokenHash: string }>(
  entries: Iterable<Entry>,
  token: string | null | undefined,
): Entry | null {
  if (!token) return null
  const offered = Buffer.from(hashToken(token), 'hex')
  let found: Entry | null = null
  for (const entry of entries) {
    const known = Buffer.from(entry.tokenHash, 'hex')
    if (known.length === offered.length && timingSafeEqual(known, offered)) found = entry
  }
  return found
}
