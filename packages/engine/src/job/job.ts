/** A job as the engine keeps it. Plain data: it is stored whole, and only `transition` makes the next one from it. */
import type { JobError, JobStatus, Json, JsonObject } from '@tutti/contracts'
import type { RetryPolicy } from './retry.ts'

/** The task a job waits for, as far as the job must know it to judge a result. */
export interface OpenTask {
  id: string
  skill: string
  attempt: number
  retry: RetryPolicy
}

export interface BranchSpec {
  skill: string
  params: JsonObject
  priority: number
  timeoutMs: number | null
  concurrencyKey: string | null
  retry: RetryPolicy
}

/** One task of a parallel fan-out. `spec` is kept only until the task is enqueued. */
export interface Branch {
  status: 'waiting' | 'open' | 'done' | 'failed'
  task: OpenTask
  spec: BranchSpec | null
  data: Json
  error: JobError | null
}

export type Waiting =
  | { kind: 'task'; task: OpenTask; on: Record<string, string> }
  | { kind: 'parallel'; into: string; failFast: boolean; concurrency: number | null; branches: Branch[] }
  | { kind: 'approval'; message: string; on: Record<string, string>; timerId: string | null; expiresAt: number | null }
  | { kind: 'child'; childId: string; on: Record<string, string> }

/** How the last action of the job came out; handlers read it as `last`. */
export interface LastOutcome {
  status: string
  data: Json
  error: JobError | null
}

/** Where a job came from. */
export type Origin =
  | { kind: 'api' }
  | { kind: 'parent'; jobId: string }
  | { kind: 'schedule'; scheduleId: string; dueAt: number }
  /** Begun from a past state of another job: as it stood after line `seq` of that one's log. */
  | { kind: 'fork'; jobId: string; seq: number }

/** What is known of the client, as it was when the job was made; handlers read it as `client`. */
export interface ClientFacts {
  plan: string | null
  params: JsonObject
}

/** An event sent to the job from outside that no state has waited for yet. */
export interface Signal {
  id: string
  name: string
  data: Json
  at: number
}

export interface Job {
  id: string
  blueprint: string
  version: number
  /** Owner. Every query of a client is scoped by it. */
  client: string
  status: JobStatus
  state: string
  input: JsonObject
  data: JsonObject
  /** Results of the last `parallel`, in the order of its tasks; null for a branch that failed. */
  results: Json[]
  last: LastOutcome | null
  waiting: Waiting | null
  output: Json
  error: JobError | null
  /** Failed handler runs in the present state. */
  attempt: number
  /** State changes so far: the guard against a blueprint that loops for ever. */
  transitions: number
  progress: number | null
  progressMessage: string | null
  priority: number
  tags: string[]
  metadata: JsonObject
  parentId: string | null
  origin: Origin
  /** Jobs above this one: a child's is its parent's plus 1. */
  depth: number
  clientFacts: ClientFacts
  /** Hash of the request that made it; a second request under the same key must have the same. null: made without a key. */
  fingerprint: string | null
  /** Where its ends and notable events are told; `events` null: all of them. */
  webhook: { url: string; events: string[] | null } | null
  /** W3C trace context of the request that made it. */
  trace: string | null
  /** Defaults of its tasks, where the blueprint sets nothing: longest wait for a worker, longest time to a result. */
  dispatchTimeoutMs: number | null
  resultTimeoutMs: number | null
  /** No handler runs while this holds; what it waits for goes on. */
  paused: boolean
  signals: Signal[]
  createdAt: number
  /** Not begun before; null: at once. */
  startAt: number | null
  updatedAt: number
  finishedAt: number | null
  deadlineAt: number | null
  /** Counts commits. It is the job's fencing token: a commit names the revision it was made from. */
  rev: number
  /** Number of the newest line of the log. */
  seq: number
  /** Instant at which any instance may take the job to run its handler; null while it waits for something else. */
  wakeAt: number | null
}

/** A line of a job's log. */
export interface JobEvent {
  jobId: string
  seq: number
  at: number
  type: string
  state: string
  data: JsonObject
}
