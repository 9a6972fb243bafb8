/** Everything that can happen to a job. Causes are plain data, because a timer stores the one it will deliver. */
import type { JobError, Json } from '@tutti/contracts'
import type { Action } from '../blueprint/action.ts'

export type Cause =
  /** Some instance took the job to run its handler: `rev` is what taking it made of the revision. */
  | { type: 'wake'; rev: number }
  /** The handler of `state` returned. `rev` fences a handler that outlived its lease; null when it ran inside the commit. */
  | { type: 'acted'; rev: number | null; action: Action }
  | { type: 'threw'; rev: number | null; error: JobError; retryable: boolean }
  | {
      type: 'task_result'
      taskId: string
      attempt: number | null
      worker: string
      status: string
      data: Json
      error: JobError | null
      durationMs: number | null
    }
  /** The lease ended without a heartbeat, or the try took longer than its time-out. */
  | {
      type: 'task_lost'
      taskId: string
      attempt: number
      worker: string
      reason: 'lease_expired' | 'timed_out' | 'not_picked_up'
    }
  | { type: 'progress'; taskId: string; progress: number; message: string | null }
  | { type: 'approval'; decision: string; by: string; comment: string | null }
  | { type: 'approval_timeout'; timerId: string }
  | { type: 'child_ended'; childId: string; status: string; output: Json; error: JobError | null }
  | { type: 'deadline' }
  | { type: 'cancel'; by: string; reason: string | null }

/** "Deliver this cause to this job at this instant": deadlines, time-outs, and messages from job to job (due at once). */
export interface Timer {
  id: string
  jobId: string
  dueAt: number
  cause: Cause
}
