/** How a job ends, and what it leaves to others when it does. */
import type { JobError, Json } from '@tutti/contracts'
import { clearTimer, closeTask, type Draft, log, setTimer } from './draft.ts'

type TerminalStatus = 'finished' | 'failed' | 'cancelled' | 'quarantined' | 'error'

const endEvent = {
  finished: 'job_finished',
  failed: 'job_failed',
  cancelled: 'job_cancelled',
  quarantined: 'job_quarantined',
  error: 'job_error',
} as const satisfies Record<TerminalStatus, string>

export const deadlineTimer = (jobId: string): string => `${jobId}:deadline`

/**
 * Ends the job. Its open tasks and timers go with it (the Store removes them for every terminal job); a child it waits for
 * is cancelled; a parent that waits for it is told. Both messages are timers due at once in the same commit, so neither
 * can be lost nor take effect twice.
 */
export const endJob = (draft: Draft, status: TerminalStatus, output: Json, error: JobError | null): void => {
  const { job, env } = draft
  if (job.waiting?.kind === 'child')
    setTimer(draft, {
      id: `${job.id}:cancel:${job.waiting.childId}`,
      jobId: job.waiting.childId,
      dueAt: env.now,
      cause: { type: 'cancel', by: 'parent', reason: `the parent job ${job.id} ended as ${status}` },
    })
  leaveWaiting(draft)
  job.status = status
  job.output = output
  job.error = error
  job.finishedAt = env.now
  job.wakeAt = null
  if (job.deadlineAt !== null) clearTimer(draft, deadlineTimer(job.id))
  draft.enqueue.length = 0
  draft.requeue.length = 0
  log(draft, endEvent[status], {
    duration_ms: env.now - job.createdAt,
    ...(error ? { error: { code: error.code, message: error.message } } : {}),
  })
  if (job.parentId !== null)
    setTimer(draft, {
      id: `${job.id}:ended`,
      jobId: job.parentId,
      dueAt: env.now,
      cause: { type: 'child_ended', childId: job.id, status, output, error },
    })
}

/** Forgets what the job waited for, closing tasks and timers that only the wait needed. */
export const leaveWaiting = (draft: Draft): void => {
  const { waiting } = draft.job
  draft.job.waiting = null
  if (waiting?.kind === 'task') closeTask(draft, waiting.task.id)
  if (waiting?.kind === 'parallel')
    for (const branch of waiting.branches) if (branch.status === 'open') closeTask(draft, branch.task.id)
  if (waiting?.kind === 'approval' && waiting.timerId !== null) clearTimer(draft, waiting.timerId)
}
