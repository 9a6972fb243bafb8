/**
 * The pure core: what a cause makes of a job. No I/O, no clock, no randomness but what `Env` brings, so that a simulator
 * can run the whole engine from a seed.
 */
import { isTerminal } from '@tutti/contracts'
import type { Cause } from '../job/cause.ts'
import type { Job } from '../job/job.ts'
import { restingStatus } from '../job/status.ts'
import { applyAction, applyThrown } from './act.ts'
import { decideApproval, escalateApproval, expireApproval } from './approval.ts'
import { childEnded } from './child.ts'
import { endJob } from './course.ts'
import { type Draft, log } from './draft.ts'
import { applyLost, applyResult, applyResultDeadline, applyWorkerEvent, findOpen } from './result.ts'
import { expireEvent, receiveSignal, wakeUp } from './signal.ts'
import { cancelJob, migrateJob, pauseJob, resumeJob, updateJob } from './steer.ts'

/**
 * `applied`, or why the cause does not concern the job any more. An ignored cause has changed nothing.
 * `repeated`: it has had its effect before. `ending`: what the job did is being undone, and its end is settled.
 */
export type Verdict =
  | 'applied'
  | 'terminal'
  | 'stale'
  | 'not_waiting'
  | 'invalid_decision'
  | 'repeated'
  | 'too_many_signals'
  | 'unknown_state'
  | 'ending'

/**
 * Applies the cause to the draft. Terminal is final: whatever comes later is told `terminal` and changes nothing.
 * Afterwards the job either waits, is paused, has ended, or wants the handler of its state to be run (`wantsHandler`).
 */
export const transition = (draft: Draft, cause: Cause): Verdict => {
  const { job } = draft
  if (isTerminal(job.status)) return 'terminal'
  const verdict = apply(draft, cause)
  if (verdict === 'applied' && !isTerminal(job.status)) job.status = restingStatus(job)
  return verdict
}

const apply = (draft: Draft, cause: Cause): Verdict => {
  const { job } = draft
  switch (cause.type) {
    case 'wake':
      if (job.wakeAt !== cause.wakeAt || job.waiting !== null) return 'stale'
      // While the job is paused its turn passes; it is resumed into running at once.
      job.wakeAt = null
      job.handling = false
      return 'applied'
    case 'acted':
      if (outlived(job, cause.lease)) return 'stale'
      applyAction(draft, cause.action, cause.undo ?? null)
      return 'applied'
    case 'threw':
      if (outlived(job, cause.lease)) return 'stale'
      applyThrown(draft, cause.error, cause.retryable)
      return 'applied'
    case 'task_result':
      return appliedIf(applyResult(draft, cause))
    case 'task_lost':
      return appliedIf(applyLost(draft, cause))
    case 'result_deadline':
      return appliedIf(applyResultDeadline(draft, cause))
    case 'worker_event':
      return applyWorkerEvent(draft, cause)
    case 'progress':
      return appliedIf(applyProgress(draft, cause))
    case 'approval':
      return decideApproval(draft, cause)
    case 'approval_timeout':
      return expireApproval(draft, cause.timerId)
    case 'approval_escalation':
      return escalateApproval(draft, cause)
    case 'signal':
      return receiveSignal(draft, cause)
    case 'event_timeout':
      return expireEvent(draft, cause.timerId)
    case 'sleep_over':
      return wakeUp(draft, cause.timerId)
    case 'child_ended':
      return childEnded(draft, cause)
    case 'deadline':
      if (job.ending) return 'ending'
      endJob(draft, 'failed', null, { code: 'DEADLINE', message: 'the job was not done by its deadline' })
      return 'applied'
    case 'cancel':
      return job.ending ? 'ending' : cancelJob(draft, cause)
    case 'pause':
      return pauseJob(draft, cause.by)
    case 'resume':
      return resumeJob(draft, cause.by)
    case 'update':
      return updateJob(draft, cause)
    case 'migrate':
      return migrateJob(draft, cause)
  }
}

const appliedIf = (applied: boolean): Verdict => (applied ? 'applied' : 'stale')

/** Whether the job has gone on without the handler that speaks now. */
const outlived = (job: Job, lease: number | null): boolean =>
  job.waiting !== null || job.handling !== (lease !== null) || (lease !== null && lease !== job.wakeAt)

const applyProgress = (draft: Draft, { taskId, progress, message }: Cause & { type: 'progress' }): boolean => {
  const { job } = draft
  if (!findOpen(job.waiting, taskId)) return false
  job.progress = progress
  job.progressMessage = message
  log(draft, 'progress', { task_id: taskId, progress, ...(message === null ? {} : { message }) })
  return true
}
