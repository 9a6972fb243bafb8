/** What a result, or the loss of one, does to the job that waits for it. */
import type { JobError, Json, JsonObject } from '@tutti/contracts'
import type { Cause } from '../job/cause.ts'
import type { Branch, OpenTask, Waiting } from '../job/job.ts'
import { backoffMs } from '../job/retry.ts'
import { closeTask, type Draft, log, own } from './draft.ts'
import { endJob } from './end.ts'
import { enterState, mergeData } from './enter.ts'
import { endBranch } from './parallel.ts'

type Result = Cause & { type: 'task_result' }
type Lost = Cause & { type: 'task_lost' }

interface Found {
  open: OpenTask
  branch: Branch | null
}

/** The open task of that id, if the job still waits for it. */
export const findOpen = (waiting: Waiting | null, taskId: string): Found | undefined => {
  if (waiting?.kind === 'task' && waiting.task.id === taskId) return { open: waiting.task, branch: null }
  if (waiting?.kind !== 'parallel') return undefined
  const branch = waiting.branches.find((candidate) => candidate.task.id === taskId && candidate.status === 'open')
  return branch && { open: branch.task, branch }
}

/** @returns false when the job no longer waits for this try of this task; nothing was changed then */
export const applyResult = (draft: Draft, result: Result): boolean => {
  const found = findOpen(draft.job.waiting, result.taskId)
  if (!found || (result.attempt !== null && result.attempt !== found.open.attempt)) return false
  const facts = {
    task_id: result.taskId,
    skill: found.open.skill,
    attempt: found.open.attempt,
    worker_id: result.worker,
    ...(result.durationMs === null ? {} : { duration_ms: result.durationMs }),
  }
  if (result.status === 'failure') {
    const error = result.error ?? { code: 'TRANSIENT_ERROR', message: 'the worker gave no reason' }
    log(draft, 'task_failed', { ...facts, error: errorFacts(error) })
    failed(draft, found, error)
    return true
  }
  log(draft, 'task_finished', { ...facts, status: result.status })
  closeTask(draft, result.taskId)
  if (found.branch) endBranchWith(draft, found.branch, result)
  else endSingle(draft, result.status, result.data, null)
  return true
}

/** @returns false when the job no longer waits for this try */
export const applyLost = (draft: Draft, lost: Lost): boolean => {
  const found = findOpen(draft.job.waiting, lost.taskId)
  if (!found || found.open.attempt !== lost.attempt) return false
  const message =
    lost.reason === 'timed_out'
      ? 'the task took longer than its time-out'
      : `worker ${lost.worker} gave no sign of life`
  log(draft, 'task_lost', {
    task_id: lost.taskId,
    skill: found.open.skill,
    attempt: lost.attempt,
    worker_id: lost.worker,
    reason: lost.reason,
  })
  failed(draft, found, { code: 'TRANSIENT_ERROR', message })
  return true
}

/** An error as the log tells it. */
const errorFacts = ({ code, message, details }: JobError): JsonObject => ({
  code,
  message,
  ...(details === undefined ? {} : { details }),
})

/** Codes after which another try can't help, and how a job without a way out ends then. */
const finalCodes: Record<string, { end: 'quarantined' | 'failed'; because: string }> = {
  PERMANENT_ERROR: { end: 'quarantined', because: 'Task failed with permanent error' },
  SECURITY_ERROR: { end: 'quarantined', because: 'Task failed with security error' },
  DEPENDENCY_ERROR: { end: 'quarantined', because: 'Task failed with dependency error' },
  CONTRACT_VIOLATION_ERROR: { end: 'quarantined', because: 'Task failed with contract violation' },
  INVALID_INPUT_ERROR: { end: 'failed', because: 'Task failed due to invalid input' },
  INTEGRITY_MISMATCH_ERROR: { end: 'failed', because: 'Task failed due to integrity mismatch' },
}

const failed = (draft: Draft, { open, branch }: Found, error: JobError): void => {
  const final = own(finalCodes, error.code)
  if (final === undefined && open.attempt < open.retry.attempts) {
    const delay = backoffMs(open.retry, open.attempt, draft.env.random())
    open.attempt += 1
    draft.requeue.push({ taskId: open.id, attempt: open.attempt, visibleAt: draft.env.now + delay })
    log(draft, 'task_retried', { task_id: open.id, skill: open.skill, attempt: open.attempt, delay_ms: delay })
    return
  }
  const because = final?.because ?? `Task failed after ${open.attempt} attempts`
  const verdict = { ...error, message: `${because}: ${error.message}` }
  closeTask(draft, open.id)
  if (branch) endBranch(draft, parallelOf(draft), branch, null, verdict)
  else endSingle(draft, 'failure', null, verdict, final?.end ?? 'quarantined')
}

const endBranchWith = (draft: Draft, branch: Branch, result: Result): void => {
  const cancelled = result.status === 'cancelled'
  const error = cancelled ? { code: 'CANCELLED', message: 'the worker cancelled the task' } : null
  endBranch(draft, parallelOf(draft), branch, cancelled ? null : result.data, error)
}

const parallelOf = (draft: Draft): Waiting & { kind: 'parallel' } => draft.job.waiting as Waiting & { kind: 'parallel' }

/** The task the job waited for is over: on along its route, or, where there is none, to the end that fits. */
const endSingle = (
  draft: Draft,
  status: string,
  data: Json,
  error: JobError | null,
  withoutRoute: 'quarantined' | 'failed' = 'failed',
): void => {
  const { job } = draft
  const { on } = job.waiting as Waiting & { kind: 'task' }
  job.last = { status, data, error }
  const to = own(on, status)
  if (to !== undefined) {
    if (status !== 'failure') mergeData(draft, data)
    enterState(draft, to)
  } else if (status === 'cancelled') endJob(draft, 'cancelled', null, null)
  else if (error) endJob(draft, withoutRoute, null, error)
  else
    endJob(draft, 'failed', null, { code: 'UNHANDLED_STATUS', message: `Worker returned unhandled status: ${status}` })
}
