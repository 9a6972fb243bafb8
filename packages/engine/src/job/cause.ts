/** Everything that can happen to a job. Causes are plain data, because a timer stores the one it will deliver. */
import type { JobError, Json, JsonObject } from '@tutti/contracts'
import type { Action } from '../blueprint/action.ts'

export type Cause =
  /**
   * Some instance took the job to run its handler. `wakeAt` is what taking it made of the job's: it tells whose turn it is, and unlike the
   * revision it stays when a signal or an update comes between.
   */
  | { type: 'wake'; wakeAt: number }
  /**
   * The handler returned. `lease` is the job's `wakeAt` since it runs: it fences one that was given up. null: it ran inside the commit.
   * `undo` names the state that undoes the one whose handler it was.
   */
  | { type: 'acted'; lease: number | null; action: Action; undo?: string | null }
  | { type: 'threw'; lease: number | null; error: JobError; retryable: boolean }
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
  /** The task has no result at the last instant for one. */
  | { type: 'result_deadline'; taskId: string }
  /** Something that a worker tells in the middle of its task. */
  | { type: 'worker_event'; id: string | null; taskId: string; worker: string; name: string; data: Json }
  | { type: 'progress'; taskId: string; progress: number; message: string | null }
  | { type: 'approval'; decision: string; by: string; comment: string | null }
  | { type: 'approval_timeout'; timerId: string }
  /** Nobody has decided yet: tell the next one. `step` counts from 0. */
  | { type: 'approval_escalation'; step: number; at: number }
  | { type: 'signal'; id: string; name: string; data: Json }
  | { type: 'event_timeout'; timerId: string }
  | { type: 'sleep_over'; timerId: string }
  | { type: 'child_ended'; childId: string; status: string; output: Json; error: JobError | null }
  | { type: 'deadline' }
  | { type: 'cancel'; by: string; reason: string | null }
  | { type: 'pause'; by: string }
  | { type: 'resume'; by: string }
  | { type: 'update'; by: string; changes: JobChanges }
  /** `states` are those of the target version: the job must find its own and all that it can go to there. */
  | { type: 'migrate'; by: string; version: number; state: string | null; states: string[] }

/** What of a job can be changed without touching its course. Tasks in the queue keep the priority that they were made with. */
export interface JobChanges {
  priority?: number
  tags?: string[]
  metadata?: JsonObject
}

/** "Deliver this cause to this job at this instant": deadlines, time-outs, and messages from job to job (due at once). */
export interface Timer {
  id: string
  jobId: string
  dueAt: number
  cause: Cause
}
