/** The job being changed and what the change brings with it, gathered while one or more causes are applied. */
import type { JsonObject } from '@tutti/contracts'
import type { Timer } from '../job/cause.ts'
import { copyJson } from '../job/copy-json.ts'
import type { Job, JobEvent } from '../job/job.ts'
import type { Task } from '../job/task.ts'
import { webhookRecord } from '../job/webhook.ts'
import type { Change, StoredRecord } from '../store/port.ts'

/** What a transition needs besides job and cause. All of it given from outside, so that the core stays pure. */
export interface Env {
  /** The Store's clock. */
  now: number
  newId: () => string
  /** 0 ≤ n < 1 */
  random: () => number
  limits: {
    taskAttempts: number
    taskTimeoutMs: number | null
    handlerAttempts: number
    maxTransitions: number
    maxDepth: number
    maxSignals: number
  }
}

export interface Draft {
  readonly job: Job
  readonly env: Env
  readonly enqueue: Task[]
  readonly requeue: Change['requeue']
  readonly close: string[]
  readonly setTimers: Timer[]
  readonly clearTimers: string[]
  readonly events: JobEvent[]
  readonly spawn: Change['spawn']
  readonly records: StoredRecord[]
}

/**
 * The draft owns its copy of the job; the job it was made from never changes. Only `waiting` is changed in place; all else
 * is replaced, and so may be shared: cloning whole jobs was a tenth of the engine's time.
 */
export const draftOf = (job: Job, env: Env): Draft => ({
  job: { ...job, waiting: copyJson(job.waiting) },
  env,
  enqueue: [],
  requeue: [],
  close: [],
  setTimers: [],
  clearTimers: [],
  events: [],
  spawn: [],
  records: [],
})

export const log = (draft: Draft, type: string, data: JsonObject = {}): void => {
  const { job, env } = draft
  job.seq += 1
  draft.events.push({ jobId: job.id, seq: job.seq, at: env.now, type, state: job.state, data })
}

/** Tells the job's webhook of what the newest line of the log tells. */
export const tell = (draft: Draft, event: string, details: JsonObject = {}): void => {
  const record = webhookRecord(draft.job, draft.env.now, event, details)
  if (record) draft.records.push(record)
}

/** Closes a task, or takes it back if this very draft had enqueued it. Closing twice is closing once. */
export const closeTask = (draft: Draft, taskId: string): void => {
  const at = draft.enqueue.findIndex((task) => task.id === taskId)
  if (at >= 0) draft.enqueue.splice(at, 1)
  else if (!draft.close.includes(taskId)) draft.close.push(taskId)
  const retried = draft.requeue.findIndex((entry) => entry.taskId === taskId)
  if (retried >= 0) draft.requeue.splice(retried, 1)
}

export const setTimer = (draft: Draft, timer: Timer): void => {
  draft.setTimers.push(timer)
}

export const clearTimer = (draft: Draft, id: string): void => {
  const at = draft.setTimers.findIndex((timer) => timer.id === id)
  if (at >= 0) draft.setTimers.splice(at, 1)
  if (!draft.clearTimers.includes(id)) draft.clearTimers.push(id)
}

/**
 * The draft as one atomic change.
 * @param fences leases that must still be held when it is committed
 * @param answered those of them whose worker has answered
 * @param settled timers whose delivery this change settles
 */
export const changeOf = (draft: Draft, fences: Change['fences'], answered: string[], settled: string[]): Change => {
  const job: Job = { ...draft.job, rev: draft.job.rev + 1, updatedAt: draft.env.now }
  return {
    job,
    fences,
    answered,
    enqueue: draft.enqueue,
    requeue: draft.requeue,
    close: draft.close,
    setTimers: draft.setTimers,
    clearTimers: [...draft.clearTimers, ...settled],
    events: draft.events,
    spawn: draft.spawn,
    records: draft.records,
  }
}

/** What a table says under a name that came from outside: `constructor` is no route, nor a code. */
export const own = <T>(table: Record<string, T>, name: string): T | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined
