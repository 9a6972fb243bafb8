/** What a result, or the loss of one, does to the job that waits for it. */
import type { JobError, Json, JsonObject } from '@tutti/contracts'
import type { Cause } from '../job/cause.ts'
import { type Branch, isTaskBranch, type OpenTask, type TaskBranch, type Waiting } from '../job/job.ts'
import { parseQueue, queueName } from '../job/needs.ts'
import { backoffMs } from '../job/retry.ts'
import { endJob, enterState } from './course.ts'
import { noteWorker } from './dispatch.ts'
import { type Draft, log, own, tell } from './draft.ts'
import { closeOpen } from './leave.ts'
import { endBranch, type Parallel } from './parallel.ts'

type Of<T extends Cause['type']> = Cause & { type: T }

interface Found {
  open: OpenTask
  branch: TaskBranch | null
}

/** The open task of that id, if the job still waits for it. */
export const findOpen = (waiting: Waiting | null, taskId: string): Found | undefined => {
  if (waiting?.kind === 'task' && waiting.task.id === taskId) return { open: waiting.task, branch: null }
  if (waiting?.kind !== 'parallel') return undefined
  const branch = waiting.branches
    .filter(isTaskBranch)
    .find((candidate) => candidate.task.id === taskId && candidate.status === 'open')
  return branch && { open: branch.task, branch }
}

/** @returns false when the job no longer waits for this try of this task; nothing was changed then */
export const applyResult = (draft: Draft, result: Of<'task_result'>): boolean => {
  const found = findOpen(draft.job.waiting, result.taskId)
  if (!found || (result.attempt !== null && result.attempt !== found.open.attempt)) return false
  const facts = {
    ...factsOf(draft, found),
    worker_id: result.worker,
    ...(result.durationMs === null ? {} : { duration_ms: result.durationMs }),
  }
  if (result.status === 'failure') {
    const error = result.error ?? { code: 'TRANSIENT_ERROR', message: 'the worker gave no reason' }
    failed(draft, found, result.worker, error, verdictOn(found.open, error), (verdict) =>
      log(draft, 'task_failed', { ...facts, error: errorFacts(error), ...verdict }),
    )
    return true
  }
  log(draft, 'task_finished', { ...facts, status: result.status, data: result.data })
  noteWorker(draft, result.worker)
  closeOpen(draft, found.open)
  if (found.branch) endBranchWith(draft, found.branch, result)
  else endSingle(draft, result.status, result.data, null)
  return true
}

/** @returns false when the job no longer waits for this try */
export const applyLost = (draft: Draft, lost: Of<'task_lost'>): boolean => {
  const found = findOpen(draft.job.waiting, lost.taskId)
  if (!found || found.open.attempt !== lost.attempt) return false
  const { worker, reason } = lost
  const error =
    reason === 'not_picked_up'
      ? { code: 'NOT_PICKED_UP', message: 'Task was not picked up by any worker in time' }
      : {
          code: 'TRANSIENT_ERROR',
          message:
            reason === 'timed_out' ? 'the task took longer than its time-out' : `worker ${worker} gave no sign of life`,
        }
  const lostOne = reason === 'lease_expired' && found.open.retry.losses !== undefined
  if (lostOne) found.open.lost = (found.open.lost ?? 0) + 1
  const verdict = reason === 'not_picked_up' ? ({ error, end: 'failed' } as const) : verdictOn(found.open, error)
  const facts = factsOf(draft, found)
  const note = (told: JsonObject): void => log(draft, 'task_lost', { ...facts, worker_id: worker, reason, ...told })
  failed(draft, found, worker, error, verdict, note, lostOne)
  return true
}

/** @returns false when the task is over */
export const applyResultDeadline = (draft: Draft, { taskId }: Of<'result_deadline'>): boolean => {
  const found = findOpen(draft.job.waiting, taskId)
  if (!found) return false
  const error = { code: 'RESULT_DEADLINE', message: 'Task had no result by its last instant' }
  const facts = factsOf(draft, found)
  failed(draft, found, '', error, { error, end: 'failed' }, (told) =>
    log(draft, 'task_lost', { ...facts, reason: 'result_deadline', ...told }),
  )
  return true
}

/** Workers repeat an event within minutes; the ids of so many are enough to know it again, and small enough to carry along. */
const rememberedIds = 64

/** An event of the worker's own is noted; where the blueprint has a route for it, the job takes that at once and the task is closed. */
export const applyWorkerEvent = (draft: Draft, event: Of<'worker_event'>): 'applied' | 'repeated' | 'stale' => {
  const { job } = draft
  const found = findOpen(job.waiting, event.taskId)
  if (!found) return 'stale'
  const { eventIds = [] } = found.open
  if (event.id !== null) {
    if (eventIds.includes(event.id)) return 'repeated'
    found.open.eventIds = [...eventIds, event.id].slice(-rememberedIds)
  }
  const to = job.waiting?.kind === 'task' ? own(job.waiting.onEvent, event.name) : undefined
  const told = { task_id: event.taskId, worker_id: event.worker, data: event.data }
  log(draft, `worker_event:${event.name}`, { ...told, ...(to === undefined ? {} : { preempts: true }) })
  tell(draft, `worker_event:${event.name}`, told)
  if (to === undefined) return 'applied'
  noteWorker(draft, event.worker)
  job.last = { status: event.name, data: event.data, error: null }
  enterState(draft, to, { done: true, data: event.data })
  return 'applied'
}

const factsOf = ({ job }: Draft, { open, branch }: Found): JsonObject => ({
  task_id: open.id,
  skill: open.skill,
  attempt: open.attempt,
  ...(branch && job.waiting?.kind === 'parallel' ? { branch: job.waiting.branches.indexOf(branch) } : {}),
})

/** An error as the log tells it. */
const errorFacts = ({ code, message, details }: JobError): JsonObject => ({
  code,
  message,
  ...(details === undefined ? {} : { details }),
})

/** Codes after which another try can't help, and how a job without a way out ends then. */
const finalCodes: Record<string, { end: 'quarantined' | 'failed'; as: string }> = {
  PERMANENT_ERROR: { end: 'quarantined', as: 'Task failed with permanent error' },
  SECURITY_ERROR: { end: 'quarantined', as: 'Task failed with security error' },
  DEPENDENCY_ERROR: { end: 'quarantined', as: 'Task failed with dependency error' },
  CONTRACT_VIOLATION_ERROR: { end: 'quarantined', as: 'Task broke the contract of its skill' },
  INVALID_INPUT_ERROR: { end: 'failed', as: 'Task failed due to invalid input' },
  INTEGRITY_MISMATCH_ERROR: { end: 'failed', as: 'Task failed due to damaged data' },
}

interface FinalVerdict {
  error: JobError
  /** How a job without a route for failures ends. */
  end: 'quarantined' | 'failed'
}

/** null: it is tried again. */
const verdictOn = (open: OpenTask, error: JobError): FinalVerdict | null => {
  const { code, message } = error
  const final = own(finalCodes, code)
  if (final) return { end: final.end, error: { ...error, message: `${final.as}: ${message}` } }
  const { attempt, lost = 0, retry } = open
  if (attempt - lost < retry.attempts && lost <= (retry.losses ?? 0)) return null
  return { end: 'quarantined', error: { ...error, message: `Task failed after ${open.attempt} attempts: ${message}` } }
}

const failed = (
  draft: Draft,
  { open, branch }: Found,
  worker: string,
  error: JobError,
  verdict: FinalVerdict | null,
  note: (told: JsonObject) => void,
  lostOne = false,
): void => {
  if (!verdict) {
    note({})
    retry(draft, open, worker, lostOne)
    return
  }
  // The verdict is told where it differs from the error: a reader of the log must find what the job's handlers were told.
  note({ error: errorFacts(error), verdict: errorFacts(verdict.error) })
  noteWorker(draft, worker)
  closeOpen(draft, open)
  if (branch) endBranch(draft, draft.job.waiting as Parallel, branch, null, verdict.error)
  else endSingle(draft, 'failure', null, verdict.error, verdict.end)
}

/** So many workers die of something else, and somebody waits; from the next on the task itself may be what they die of. */
const unluckyLosses = 3

const retry = (draft: Draft, open: OpenTask, worker: string, lostOne: boolean): void => {
  const { env } = draft
  const { attempt, lost = 0 } = open
  // A task that has outlived many of its workers waits no longer for having failed once, nor the other way round.
  const step = lostOne ? lost - unluckyLosses : attempt - lost
  // The end of a lease, or the worker's next start, was pause enough.
  const delay = step <= 0 ? 0 : backoffMs(open.retry, step, env.random())
  const visibleAt = env.now + delay
  const queue = open.retry.elsewhere && worker !== '' ? queueWithout(open.queue, worker) : open.queue
  open.attempt += 1
  draft.requeue.push({
    taskId: open.id,
    attempt: open.attempt,
    visibleAt,
    ...(queue === open.queue ? {} : { queue }),
    ...(open.pickupMs === null ? {} : { pickupBy: visibleAt + open.pickupMs }),
  })
  open.queue = queue
  log(draft, 'task_retried', { task_id: open.id, skill: open.skill, attempt: open.attempt, delay_ms: delay })
}

/** The same queue for all workers but this one. A worker that was asked for by name (`sticky`) is no longer asked for. */
const queueWithout = (name: string, worker: string): string => {
  const { needs, ...queue } = parseQueue(name)
  const { workers = [], ...rest } = needs
  const wanted = workers.filter((each) => each !== worker)
  return queueName({
    ...queue,
    needs: {
      ...rest,
      ...(wanted.length > 0 ? { workers: wanted } : {}),
      notWorkers: [...new Set([...(needs.notWorkers ?? []), worker])],
    },
  })
}

const endBranchWith = (draft: Draft, branch: Branch, result: Of<'task_result'>): void => {
  const cancelled = result.status === 'cancelled'
  const error = cancelled ? { code: 'CANCELLED', message: 'the worker cancelled the task' } : null
  endBranch(draft, draft.job.waiting as Parallel, branch, cancelled ? null : result.data, error)
}

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
  if (to !== undefined) enterState(draft, to, { done: status !== 'failure' && status !== 'cancelled', data })
  else if (status === 'cancelled') endJob(draft, 'cancelled', null, null)
  else if (error) endJob(draft, withoutRoute, null, error)
  else
    endJob(draft, 'failed', null, { code: 'UNHANDLED_STATUS', message: `Worker returned unhandled status: ${status}` })
}
