/**
 * Messages that carry proof of who made them: an HMAC over the message, keyed with the worker's token. The token then says who opened
 * the connection, and the signature who wrote what came through it, whatever stands in between.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { canonicalJson, TuttiError } from '@tutti/contracts'
import type { Caller } from './identify.ts'

/** `optional`: a signature that is there must be right. `required`: each message with a body needs one. */
export type SignatureMode = 'off' | 'optional' | 'required'

export interface Signatures {
  /**
   * `again`: a right message that was seen before; its effect must not come twice.
   * @throws TuttiError INVALID_SIGNATURE
   */
  check(caller: Pick<Caller, 'worker' | 'by'>, message: unknown): 'unsigned' | 'fresh' | 'again'
  /** It had no effect after all: its sender may send it again. */
  forget(message: unknown): void
}

export interface SignaturesDeps {
  mode: SignatureMode
  /**
   * The token that the worker signs with; null where only its hash is known. A worker that is known by its certificate need not have
   * one: it signs nothing then.
   */
  secretOf: ((worker: string) => string | null) | undefined
  /** Milliseconds since the epoch. */
  now: () => number
}

const toleranceMs = 60_000
/** Of signatures remembered. More within two minutes means 800 messages a second; the oldest are forgotten first. */
const mostSeen = 100_000

export const createSignatures = ({ mode, secretOf, now }: SignaturesDeps): Signatures => {
  /** Signature → when it is too old to be used, in the order of arrival. */
  const seen = new Map<string, number>()
  const remember = (signature: string): boolean => {
    for (const [old, until] of seen) {
      if (until > now() && seen.size < mostSeen) break
      seen.delete(old)
    }
    if (seen.has(signature)) return false
    seen.set(signature, now() + 2 * toleranceMs)
    return true
  }

  return {
    check: ({ worker, by }, message) => {
      if (mode === 'off' || !isObject(message)) return 'unsigned'
      const secret = secretOf?.(worker) ?? null
      if (secret === null) {
        if (mode === 'required' && by !== 'certificate')
          throw refused(
            'Only the hash of this worker’s token is known here: its signatures can’t be checked',
            'body.security',
          )
        return 'unsigned'
      }
      const security = isObject(message.security) ? message.security : {}
      if (!isThere(security.signature)) {
        if (mode === 'required') throw refused('Missing security.signature', 'body.security.signature')
        return 'unsigned'
      }
      const { timestamp } = message
      if (typeof timestamp !== 'number') throw refused('A signed message needs a timestamp', 'body.timestamp')
      if (Math.abs(timestamp * 1000 - now()) > toleranceMs)
        throw refused('The timestamp is more than 60 s from the time here', 'body.timestamp')
      if (isThere(security.signer_id) && security.signer_id !== worker)
        throw refused('The signer is another than the worker', 'body.security.signer_id')
      const signature = String(security.signature)
      if (!sameText(signature, sign(message, secret))) throw refused('Invalid signature', 'body.security.signature')
      return remember(signature) ? 'fresh' : 'again'
    },
    forget: (message) => {
      if (isObject(message) && isObject(message.security)) seen.delete(String(message.security.signature))
    },
  }
}

/** Hex. */
export const sign = (message: Record<string, unknown>, secret: string): string =>
  createHmac('sha256', secret).update(canonicalJson(message), 'utf8').digest('hex')

const sameText = (a: string, b: string): boolean => {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}

const isThere = (value: unknown): boolean => value !== null && value !== undefined
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const refused = (message: string, path: string): TuttiError => new TuttiError('INVALID_SIGNATURE', message, { path })
