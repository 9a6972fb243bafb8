import type { JsonObject } from '@tutti/contracts'

/** Work that waits for, or is held by, a worker that has the skill. A task that is done is gone: the job's log tells of it. */
export interface Task {
  id: string
  jobId: string
  client: string
  skill: string
  /** Where it waits: see `queueName`. Workers are matched to queues, never to single tasks. */
  queue: string
  params: JsonObject
  /** Higher first; equal ones in the order they were made. */
  priority: number
  /** Which try this is, from 1. */
  attempt: number
  /** Longest time one try may take once a worker has it; null for no limit. */
  timeoutMs: number | null
  /** At most `concurrencyLimit` tasks of a key are open to workers at a time; the others follow in the order they were made. */
  concurrencyKey: string | null
  /** From 1. Where tasks of a key disagree, that of the first one held back counts. */
  concurrencyLimit: number
  /** Tasks of one queue and priority take turns between the values of this, so that nobody's hundred thousand delay another's ten. */
  fairKey: string
  /** Not handed out before this instant (back-off). */
  visibleAt: number
  /** The task is lost if no worker has taken it by then; null: it may wait for ever. */
  pickupBy: number | null
  /** W3C trace context of the job's step that made it; null: none. */
  trace: string | null
}

/** A task in a worker's hands. `token` is the fencing token: whoever comes with another one is late. */
export interface LeasedTask {
  task: Task
  worker: string
  token: string
  /** Instant at which the lease ends unless it is renewed. */
  expiresAt: number
  /** Instant at which the try counts as lost; a result that comes before anybody noticed is still taken. null: no time-out. */
  deadlineAt: number | null
}

/** What of a lease is needed to give it back. */
export type HeldTask = Pick<LeasedTask, 'worker' | 'token'> & { task: Pick<Task, 'id' | 'skill'> }

export interface TaskRequest {
  worker: string
  queues: string[]
  max: number
  leaseMs: number
}
