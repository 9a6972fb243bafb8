/**
 * The pure core: what a cause makes of a job. No I/O, no clock, no randomness but what `Env` brings, so that a simulator
 * can run the whole engine from a seed.
 */
import { isTerminal } from '@tutti/contracts'
import type { Cause } from '../job/cause.ts'
import type { Job, Waiting } from '../job/job.ts'
import { applyAction, applyThrown } from './act.ts'
import { type Draft, log, own } from './draft.ts'
import { endJob } from './end.ts'
import { enterState, mergeData } from './enter.ts'
import { applyLost, applyResult, findOpen } from './result.ts'

/** `applied`, or why the cause does not concern the job any more. An ignored cause has changed nothing. */
export type Verdict = 'applied' | 'terminal' | 'stale' | 'not_waiting' | 'invalid_decision'

/**
 * Applies the cause to the draft. Terminal is final: whatever comes later is told `terminal` and changes nothing.
 * Afterwards the job either waits, has ended, or is `running` and wants the handler of its state to be run.
 */
export const transition = (draft: Draft, cause: Cause): Verdict => {
  const { job } = draft
  if (isTerminal(job.status)) return 'terminal'
  switch (cause.type) {
    case 'wake':
      if (cause.rev !== job.rev || job.waiting !== null) return 'stale'
      job.status = 'running'
      return 'applied'
    case 'acted':
      if (outlived(job, cause.rev)) return 'stale'
      applyAction(draft, cause.action)
      return 'applied'
    case 'threw':
      if (outlived(job, cause.rev)) return 'stale'
      applyThrown(draft, cause.error, cause.retryable)
      return 'applied'
    case 'task_result':
      return applyResult(draft, cause) ? 'applied' : 'stale'
    case 'task_lost':
      return applyLost(draft, cause) ? 'applied' : 'stale'
    case 'progress':
      if (!findOpen(job.waiting, cause.taskId)) return 'stale'
      job.progress = cause.progress
      job.progressMessage = cause.message
      log(draft, 'progress', {
        task_id: cause.taskId,
        progress: cause.progress,
        ...(cause.message === null ? {} : { message: cause.message }),
      })
      return 'applied'
    case 'approval':
      return decide(draft, cause)
    case 'approval_timeout':
      return expireApproval(draft, cause.timerId)
    case 'child_ended':
      return childEnded(draft, cause)
    case 'deadline':
      endJob(draft, 'failed', null, { code: 'DEADLINE', message: 'the job was not done by its deadline' })
      return 'applied'
    case 'cancel':
      log(draft, 'cancel_requested', { by: cause.by, ...(cause.reason === null ? {} : { reason: cause.reason }) })
      endJob(draft, 'cancelled', null, {
        code: 'CANCELLED',
        message: cause.reason ?? `cancelled by ${cause.by}`,
      })
      return 'applied'
  }
}

/** Whether the job has gone on without the handler that speaks now. */
const outlived = (job: Job, rev: number | null): boolean => (rev !== null && rev !== job.rev) || job.waiting !== null

const decide = (draft: Draft, cause: Cause & { type: 'approval' }): Verdict => {
  const { job } = draft
  if (job.waiting?.kind !== 'approval') return 'not_waiting'
  // `timeout` is a route for the clock, not a decision a person can take.
  const to = cause.decision === 'timeout' ? undefined : own(job.waiting.on, cause.decision)
  if (to === undefined) return 'invalid_decision'
  const answer = {
    decision: cause.decision,
    by: cause.by,
    ...(cause.comment === null ? {} : { comment: cause.comment }),
  }
  log(draft, 'approval_received', answer)
  job.last = { status: cause.decision, data: answer, error: null }
  enterState(draft, to)
  return 'applied'
}

const expireApproval = (draft: Draft, timerId: string): Verdict => {
  const { job } = draft
  if (job.waiting?.kind !== 'approval' || job.waiting.timerId !== timerId) return 'stale'
  const to = job.waiting.on.timeout
  log(draft, 'approval_timed_out', {})
  job.last = { status: 'timeout', data: null, error: { code: 'APPROVAL_TIMEOUT', message: 'nobody decided in time' } }
  if (to === undefined) endJob(draft, 'failed', null, job.last.error)
  else enterState(draft, to)
  return 'applied'
}

const childEnded = (draft: Draft, cause: Cause & { type: 'child_ended' }): Verdict => {
  const { job } = draft
  if (job.waiting?.kind !== 'child' || job.waiting.childId !== cause.childId) return 'stale'
  const { on } = job.waiting as Waiting & { kind: 'child' }
  const status = cause.status === 'finished' ? 'success' : cause.status === 'cancelled' ? 'cancelled' : 'failure'
  log(draft, 'child_finished', { child_job_id: cause.childId, status: cause.status })
  // The child is over: leaving the wait must not send it a cancellation.
  job.waiting = null
  job.last = { status, data: cause.output, error: cause.error }
  const to = on[status] ?? (status === 'cancelled' ? on.failure : undefined)
  if (to !== undefined) {
    if (status === 'success') mergeData(draft, cause.output)
    enterState(draft, to)
  } else
    endJob(draft, 'failed', null, {
      code: 'CHILD_FAILED',
      message: `child job ${cause.childId} ended as ${cause.status}${cause.error ? `: ${cause.error.message}` : ''}`,
    })
  return 'applied'
}
