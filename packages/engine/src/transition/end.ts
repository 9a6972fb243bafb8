/** How a job ends, and what it leaves to others when it does. */
import type { JobError, Json } from '@tutti/contracts'
import { clearTimer, type Draft, log, setTimer, tell } from './draft.ts'
import { leaveWaiting } from './leave.ts'

export type TerminalStatus = 'finished' | 'failed' | 'cancelled' | 'quarantined' | 'error'

const endEvent = {
  finished: 'job_finished',
  failed: 'job_failed',
  cancelled: 'job_cancelled',
  quarantined: 'job_quarantined',
  error: 'job_error',
} as const satisfies Record<TerminalStatus, string>

export const deadlineTimer = (jobId: string): string => `${jobId}:deadline`

/**
 * Ends the job, now and for good. Its open tasks and timers go with it (the Store removes them for every terminal job); a child it
 * waits for is cancelled; a parent that waits for it is told. Both messages are timers due at once in the same commit, so neither
 * can be lost nor take effect twice.
 */
export const conclude = (draft: Draft, status: TerminalStatus, output: Json, error: JobError | null): void => {
  const { job, env } = draft
  leaveWaiting(draft)
  job.status = status
  job.output = output
  job.error = error
  job.finishedAt = env.now
  job.wakeAt = null
  job.handling = false
  job.undoBy = null
  job.ending = null
  if (job.deadlineAt !== null) clearTimer(draft, deadlineTimer(job.id))
  draft.enqueue.length = 0
  draft.requeue.length = 0
  log(draft, endEvent[status], {
    duration_ms: env.now - job.createdAt,
    ...(error ? { error: { code: error.code, message: error.message } } : {}),
  })
  // Receivers know of four ends; a fault of the blueprint is a failure whose `status` says more.
  tell(draft, status === 'error' ? 'job_failed' : endEvent[status])
  if (job.parentId !== null)
    setTimer(draft, {
      id: `${job.id}:ended`,
      jobId: job.parentId,
      dueAt: env.now,
      cause: { type: 'child_ended', childId: job.id, status, output, error },
    })
}
