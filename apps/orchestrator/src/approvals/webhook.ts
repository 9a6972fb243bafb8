import type { JsonObject } from '@tutti/contracts'
import type { StoredRecord } from '@tutti/engine'
import type { ApprovalLinks } from './link.ts'

/** How long a link is good where the approval itself has no end. */
const linkMs = 30 * 86_400_000

/**
 * What is sent when a decision is asked for: with a link for each whom it is meant for. It follows from the record alone, so that each
 * try to deliver sends the same.
 */
export const withApprovalLinks =
  (links: ApprovalLinks, publicUrl: string) =>
  (payload: JsonObject, record: StoredRecord): JsonObject => {
    const { event, timestamp, job_id: jobId, assignees, to, expires_at } = payload
    if (event !== 'approval_requested' && event !== 'approval_escalated') return payload
    const seq = Number(record.id.split('-').at(-1))
    if (typeof jobId !== 'string' || typeof timestamp !== 'string' || !Number.isInteger(seq)) return payload
    const expiresAt = Date.parse(typeof expires_at === 'string' ? expires_at : timestamp) + (expires_at ? 0 : linkMs)
    const named = [
      ...(typeof to === 'string' ? [to] : []),
      ...(to === undefined && Array.isArray(assignees) ? assignees : []),
    ]
    const people = named.filter((each): each is string => typeof each === 'string')
    const urlFor = (person: string): string =>
      `${publicUrl.replace(/\/+$/, '')}/_public/approvals/${links.write({ jobId, seq, to: person, expiresAt })}`
    return {
      ...payload,
      approval_urls: Object.fromEntries(
        (people.length === 0 ? ['anybody'] : people).map((person) => [person, urlFor(person)]),
      ),
    }
  }
