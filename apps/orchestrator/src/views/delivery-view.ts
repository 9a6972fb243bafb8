import type { WebhookDelivery } from '@tutti/contracts'
import type { StoredRecord } from '@tutti/engine'
import { deliveryOf } from '../webhooks/delivery.ts'
import type { WriteInstant } from './instant.ts'

export const deliveryView = (record: StoredRecord, instant: WriteInstant): WebhookDelivery => {
  const { event, url, state, payload, attempts } = deliveryOf(record)
  return {
    id: record.id,
    job_id: record.ref,
    event,
    url,
    state,
    next_attempt_at: record.dueAt === null ? null : instant(record.dueAt),
    attempts: attempts.map(({ at, durationMs, status, error }) => ({
      at: instant(at),
      duration_ms: durationMs,
      status,
      error,
    })),
    payload,
  }
}
