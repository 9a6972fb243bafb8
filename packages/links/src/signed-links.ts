/**
 * Links with which a person without an account may do one thing, until they expire. Who has the link is who may: so it is as long as a
 * secret, names whom it was made for, and is good for what it names alone. That it works once is for what it acts on to see to.
 */
import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import type { Json } from '@tutti/contracts'

export interface SignedLinks<T extends Json[]> {
  /**
   * The same for the same link: what is sent again tells the same one.
   * @param expiresAt milliseconds since the epoch
   */
  write(says: T, expiresAt: number): string
  /** null: it was not written here, for another purpose, or it has expired. */
  read(token: string, now: number): { says: T; expiresAt: number } | null
}

/** @param purpose of a link of one purpose nothing can be made for another, though the key is the same */
export const createSignedLinks = <T extends Json[]>(signingKey: string | Buffer, purpose: string): SignedLinks<T> => {
  const key = Buffer.from(hkdfSync('sha256', signingKey, '', purpose, 32))
  const signature = (payload: string): Buffer => createHmac('sha256', key).update(payload).digest()
  return {
    write: (says, expiresAt) => {
      const payload = Buffer.from(JSON.stringify([...says, expiresAt])).toString('base64url')
      return `${payload}.${signature(payload).toString('base64url')}`
    },
    read: (token, now) => {
      const [payload = '', proof = ''] = token.split('.')
      const given = Buffer.from(proof, 'base64url')
      const expected = signature(payload)
      if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null
      // Only now: what nobody signed is not even parsed.
      const told = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Json[]
      const expiresAt = told.at(-1) as number
      return expiresAt > now ? { says: told.slice(0, -1) as T, expiresAt } : null
    },
  }
}
