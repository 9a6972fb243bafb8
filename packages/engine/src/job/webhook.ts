/** What a job tells its webhook: the outbox records that come into being with the change they tell of. */
import { isTerminal, type JobError, type JobStatus, type Json, type JsonObject } from '@tutti/contracts'
import type { StoredRecord } from '../store/port.ts'
import type { Job } from './job.ts'
import { restingStatus } from './status.ts'

export const webhookKind = 'webhook'

/** What a receiver gets. Fields beyond these tell of the event itself: `message`, `decisions`, `to`, `task_id`, `data`. */
export interface WebhookPayload {
  event: string
  job_id: string
  status: JobStatus
  result: Json
  error: JobError | null
  metadata: JsonObject
  /** ISO 8601, when it happened; not when it is sent. */
  timestamp: string
  [detail: string]: unknown
}

/** One try to deliver. */
export interface WebhookAttempt {
  /** Milliseconds since the epoch. */
  at: number
  /** HTTP status; null: there was no answer. */
  status: number | null
  error: string | null
  durationMs: number
}

/** Body of a record of kind `webhook`. The record's id is the delivery's own: sent with every try, it lets receivers drop repeats. */
export interface WebhookBody {
  url: string
  event: string
  payload: WebhookPayload
  attempts: WebhookAttempt[]
}

/** `webhook.events` takes events by name, and `worker_event` stands for those of any name. */
const subscribed = (events: string[] | null, event: string): boolean =>
  events === null || events.includes(event) || (event.startsWith('worker_event:') && events.includes('worker_event'))

/**
 * The delivery of an event that the newest line of the job's log tells of; null when nobody asked for it. Ids sort by instant,
 * and those of one job by line.
 * @param given the id, of what is told beside the job's log: it must follow from what happened, so that telling it again is telling it once
 */
export const webhookRecord = (
  job: Job,
  now: number,
  event: string,
  details: JsonObject = {},
  given?: string,
): StoredRecord | null => {
  if (!job.webhook || !subscribed(job.webhook.events, event)) return null
  const { id, output, error, metadata } = job
  const status = isTerminal(job.status) ? job.status : restingStatus(job)
  const payload: WebhookPayload = {
    ...details,
    event,
    job_id: id,
    status,
    result: output,
    error,
    metadata,
    timestamp: new Date(now).toISOString(),
  }
  const body: WebhookBody = { url: job.webhook.url, event, payload, attempts: [] }
  return {
    kind: webhookKind,
    id: given ?? `${String(now).padStart(15, '0')}-${id}-${String(job.seq).padStart(9, '0')}`,
    owner: job.client,
    ref: id,
    rev: 1,
    dueAt: now,
    expiresAt: null,
    body: body as unknown as JsonObject,
  }
}
