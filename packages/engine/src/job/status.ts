import { isTerminal, type JobStatus } from '@tutti/contracts'
import type { Job, Waiting } from './job.ts'

const statusOfWait = {
  task: 'waiting_for_worker',
  parallel: 'waiting_for_parallel',
  approval: 'waiting_for_human',
  child: 'waiting_for_child',
  event: 'waiting_for_event',
  sleep: 'sleeping',
} as const satisfies Record<Waiting['kind'], JobStatus>

/**
 * The status of a job that has not ended. It follows from the rest of the job, so that the two can't disagree. A paused job shows
 * `paused` whatever it waits for; `waiting` still tells that.
 */
export const restingStatus = (job: Job): JobStatus => {
  if (job.paused) return 'paused'
  if (job.waiting) return statusOfWait[job.waiting.kind]
  if (job.wakeAt === null || job.handling) return 'running'
  if (job.attempt > 0) return 'awaiting_retry'
  return job.transitions === 0 ? 'pending' : 'running'
}

/** Whether the next thing to do is to run the handler of the job's state, here and now. */
export const wantsHandler = (job: Job): boolean =>
  !isTerminal(job.status) && !job.paused && job.waiting === null && job.wakeAt === null
