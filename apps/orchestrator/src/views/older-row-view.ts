/** The newest line of a job's log, in the words of the older list of jobs. */
import type { Json, JsonObject } from '@tutti/contracts'
import type { Job, JobEvent } from '@tutti/engine'
import type { ArchivedEvent } from '@tutti/history'
import type { WriteInstant } from './instant.ts'
import { fullJobView } from './older-job-view.ts'

type Columns = Pick<ArchivedEvent, 'durationMs' | 'previousState' | 'nextState' | 'worker' | 'attempt'>

/** What the archive keeps in columns, from a line of the Store. */
export const columnsOf = ({ type, state, data }: JobEvent): Columns => ({
  durationMs: number(data.duration_ms),
  previousState: text(data.previous_state),
  nextState: type === 'state_entered' ? state : null,
  worker: text(data.worker_id),
  attempt: number(data.attempt),
})

/** @param job as it is now; null when the Store has forgotten it */
export const olderRowView = (line: JobEvent & Columns, job: Job | null, instant: WriteInstant): JsonObject => ({
  event_id: `${line.jobId}:${line.seq}`,
  job_id: line.jobId,
  timestamp: instant(line.at),
  state: line.state,
  event_type: line.type,
  duration_ms: line.durationMs,
  previous_state: line.previousState,
  next_state: line.nextState,
  worker_id: line.worker,
  attempt_number: line.attempt,
  context_snapshot: job === null ? null : fullJobView(job, instant),
})

const number = (value: Json | undefined): number | null => (typeof value === 'number' ? value : null)
const text = (value: Json | undefined): string | null => (typeof value === 'string' ? value : null)
