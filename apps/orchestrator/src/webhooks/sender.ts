/**
 * Works the outbox off: each delivery is a record that is due, held by one instance at a time. A crash after the receiver has answered
 * and before that is noted sends it again under the same id: at least once, and receivers can tell.
 */
import type { StoredRecord, WebhookAttempt } from '@tutti/engine'
import type { Logger } from '@tutti/telemetry'
import { afterAttempt, deliveryOf } from './delivery.ts'
import { type PostOptions, post } from './post.ts'
import type { WebhookSecrets } from './secrets.ts'
import { sign } from './signature.ts'

export interface WebhookSenderDeps {
  secrets: WebhookSecrets
  options: PostOptions
  /** Adds to what is sent: the signed link of an approval, say. Must answer the same each time. */
  complete: (payload: StoredRecord['body'], record: StoredRecord) => StoredRecord['body']
  log: Logger
  now?: () => number
  random?: () => number
}

/** Sends what the record tells, once. Answers the record with what came of it; rejects when the Store can't be reached. */
export const createWebhookSender = (deps: WebhookSenderDeps): ((record: StoredRecord) => Promise<StoredRecord>) => {
  const { secrets, options, log, now = Date.now, random = Math.random } = deps
  return async (record) => {
    const { url, event, payload } = deliveryOf(record)
    const body = JSON.stringify(deps.complete(payload, record))
    const at = now()
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'Tutti',
      ...sign(await secrets.current(record.owner ?? ''), record.id, Math.floor(at / 1000), body),
    }
    let attempt: WebhookAttempt
    let retryAfter: number | null = null
    try {
      const answer = await post(url, headers, body, options)
      retryAfter = answer.retryAfter
      attempt = { at, durationMs: now() - at, status: answer.status, error: null }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      attempt = { at, durationMs: now() - at, status: null, error: reason }
    }
    const next = afterAttempt(record, attempt, retryAfter, random())
    const facts = {
      job_id: record.ref ?? '',
      delivery: record.id,
      event,
      outcome: attempt.error ?? String(attempt.status),
    }
    if (next.body.state === 'failed') log.warn(facts, 'a webhook was given up')
    else log.debug(facts, 'a webhook was sent')
    return next
  }
}
