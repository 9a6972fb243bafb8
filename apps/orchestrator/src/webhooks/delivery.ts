/** A webhook on its way: the body of a record of kind `webhook`, which the engine's outbox makes and the sender works off. */
import type { Json, JsonObject } from '@tutti/contracts'
import type { StoredRecord, WebhookAttempt } from '@tutti/engine'

export interface Delivery {
  url: string
  event: string
  payload: JsonObject
  state: 'pending' | 'delivered' | 'failed'
  /** The newest ones. */
  attempts: WebhookAttempt[]
  /** All that were made since it was made or asked for again. */
  tries: number
}

/** Beyond these it has failed: two and a half days in all. */
const pausesMs = [5_000, 30_000, 120_000, 600_000, 3_600_000, 14_400_000, 43_200_000, 86_400_000, 86_400_000]
const attemptsKept = 20
const keptMs = 30 * 86_400_000

export const deliveryOf = ({ body }: StoredRecord): Delivery => ({
  url: text(body.url),
  event: text(body.event),
  payload: (body.payload ?? {}) as JsonObject,
  state: body.state === 'delivered' || body.state === 'failed' ? body.state : 'pending',
  attempts: (Array.isArray(body.attempts) ? body.attempts : []) as unknown as WebhookAttempt[],
  tries: typeof body.tries === 'number' ? body.tries : 0,
})
const text = (value: Json | undefined): string => (typeof value === 'string' ? value : '')

/**
 * The record after an attempt. 2xx is success. 410 tells that the receiver is gone for good; everything else is tried again, no sooner
 * than Retry-After asks for.
 * @param random 0 ≤ n < 1: half of each pause, so that deliveries that failed together do not come back together
 */
export const afterAttempt = (
  record: StoredRecord,
  attempt: WebhookAttempt,
  retryAfter: number | null,
  random: number,
): StoredRecord => {
  const delivery = deliveryOf(record)
  const delivered = attempt.status !== null && attempt.status >= 200 && attempt.status < 300
  const pause = attempt.status === 410 ? undefined : pausesMs[delivery.tries]
  const state = delivered ? 'delivered' : pause === undefined ? 'failed' : 'pending'
  const now = attempt.at + attempt.durationMs
  const waitMs = Math.max((pause ?? 0) * (0.5 + random / 2), (retryAfter ?? 0) * 1000)
  return {
    ...record,
    rev: record.rev + 1,
    dueAt: state === 'pending' ? Math.round(now + waitMs) : null,
    expiresAt: state === 'pending' ? null : now + keptMs,
    body: {
      ...record.body,
      state,
      tries: delivery.tries + 1,
      attempts: [...delivery.attempts, attempt].slice(-attemptsKept) as unknown as Json,
    },
  }
}

/** The record as if it had just been made: tried again from the first pause on. Its id stays, so that receivers know it. */
export const asNew = (record: StoredRecord, now: number): StoredRecord => ({
  ...record,
  rev: record.rev + 1,
  dueAt: now,
  expiresAt: null,
  body: { ...record.body, state: 'pending', tries: 0 },
})
