/**
 * Links with which a person decides without an account: whoever has the link may decide once, until it expires. A link names the line
 * of the log that asked, so that it can't decide what the job asks later.
 */
import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'

export interface ApprovalLink {
  jobId: string
  /** Line of the log that asked. */
  seq: number
  /** Whom it was made for; it is told as who decided. */
  to: string
  /** Milliseconds since the epoch. */
  expiresAt: number
}

export interface ApprovalLinks {
  /** The same for the same link: a webhook that is sent again tells the same one. */
  write(link: ApprovalLink): string
  /** null: it was not written here, or it has expired. */
  read(token: string, now: number): ApprovalLink | null
}

export const createApprovalLinks = (signingKey: Buffer): ApprovalLinks => {
  const key = Buffer.from(hkdfSync('sha256', signingKey, '', 'approval links', 32))
  const signature = (payload: string): Buffer => createHmac('sha256', key).update(payload).digest()
  return {
    write: ({ jobId, seq, to, expiresAt }) => {
      const payload = Buffer.from(JSON.stringify([jobId, seq, to, expiresAt])).toString('base64url')
      return `${payload}.${signature(payload).toString('base64url')}`
    },
    read: (token, now) => {
      const [payload = '', proof = ''] = token.split('.')
      const given = Buffer.from(proof, 'base64url')
      const expected = signature(payload)
      if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null
      const [jobId, seq, to, expiresAt] = JSON.parse(Buffer.from(payload, 'base64url').toString()) as [
        string,
        number,
        string,
        number,
      ]
      return expiresAt > now ? { jobId, seq, to, expiresAt } : null
    },
  }
}
