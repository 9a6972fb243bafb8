/**
 * Links with which a person decides without an account: whoever has the link may decide once, until it expires. A link names the line
 * of the log that asked, so that it can't decide what the job asks later.
 */
import { createSignedLinks } from '@tutti/links'

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
  const links = createSignedLinks<[jobId: string, seq: number, to: string]>(signingKey, 'approval links')
  return {
    write: ({ jobId, seq, to, expiresAt }) => links.write([jobId, seq, to], expiresAt),
    read: (token, now) => {
      const link = links.read(token, now)
      if (!link) return null
      const [jobId, seq, to] = link.says
      return { jobId, seq, to, expiresAt: link.expiresAt }
    },
  }
}
