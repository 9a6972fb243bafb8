/** The field `token` of a section: needed, sendable, and nobody else's. */
import { hashToken } from '../access/tokens.ts'
import { headerToken } from '../variables/schemas.ts'
import type { Section } from './sections.ts'

export interface Token {
  /** SHA-256, hex. */
  hash: string
  /** `null` where the file holds the hash only. */
  secret: string | null
}

/** A reader for the sections of one file: it remembers who has which token. */
export function tokenReader(noun: 'client' | 'worker'): (section: Section) => Token | null {
  const holders = new Map<string, string>()
  return (section) => {
    const token =
      noun === 'worker' && section.fields.token_sha256 !== undefined ? readHash(section) : readToken(section)
    if (token === null) return null
    const holder = holders.get(token.hash)
    if (holder !== undefined)
      section.fault(
        'token',
        `[${section.id}] has the same token as [${holder}]`,
        `Give each ${noun} a token of its own.`,
      )
    else holders.set(token.hash, section.id)
    return token
  }
}

function readToken({ id, fields, fault }: Section): Token | null {
  const { token } = fields
  const refuse = (field: string | null, what: string, remedy: string): null => {
    fault(field, what, remedy)
    return null
  }
  if (token === undefined) return refuse(null, `[${id}] has no token`, 'Add a line: token = "…".')
  if (typeof token !== 'string') return refuse('token', `the token of [${id}] is not a string`, 'Put it into quotes.')
  if (token === '')
    return refuse('token', `the token of [${id}] is empty`, 'Set a random value, such as from `openssl rand -hex 32`.')
  if (!headerToken.safeParse(token).success)
    return refuse('token', `the token of [${id}] holds characters that a header can’t carry`, 'Use visible ASCII only.')
  return { hash: hashToken(token), secret: token }
}

function readHash({ id, fields, fault }: Section): Token | null {
  const { token, token_sha256: hash } = fields
  if (token !== undefined) {
    fault('token_sha256', `[${id}] has both token and token_sha256`, 'Leave one of the two.')
    return null
  }
  if (typeof hash === 'string' && /^[0-9a-f]{64}$/i.test(hash)) return { hash: hash.toLowerCase(), secret: null }
  fault('token_sha256', `token_sha256 of [${id}] is not a SHA-256`, 'Write its 64 hexadecimal digits, in quotes.')
  return null
}
