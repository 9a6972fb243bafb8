import type { ArchivedEventView } from '@tutti/contracts'
import type { ArchivedEvent } from '@tutti/history'
import type { WriteInstant } from './instant.ts'

export const archivedView = (event: ArchivedEvent, instant: WriteInstant): ArchivedEventView => ({
  event_id: `${event.jobId}:${event.seq}`,
  job_id: event.jobId,
  seq: event.seq,
  timestamp: instant(event.at),
  event_type: event.type,
  state: event.state,
  data: event.data,
  blueprint: event.blueprint,
  duration_ms: event.durationMs,
  previous_state: event.previousState,
  next_state: event.nextState,
  worker_id: event.worker,
  attempt_number: event.attempt,
})
