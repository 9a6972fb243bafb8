/** A job as the engine keeps it. Plain data: it is stored whole, and only `transition` makes the next one from it. */
import type { JobError, JobStatus, Json, JsonObject } from '@tutti/contracts'
import type { ChildSpec } from '../blueprint/action.ts'
import type { RetryPolicy } from './retry.ts'

/** The task a job waits for, as far as the job must know it to judge a result. */
export interface OpenTask {
  id: string
  skill: string
  attempt: number
  /** Tries that were lost with their workers, where they are counted apart; see `RetryPolicy`. Absent: none. */
  lost?: number
  retry: RetryPolicy
  /** Where it waits, from which follows where a retry that must go elsewhere waits. */
  queue: string
  /** Longest wait for a worker, of each try; null: for ever. */
  pickupMs: number | null
  /** A timer ends the task at this instant, whatever try it is at; null: none. */
  resultBy: number | null
  /** Addresses of files that stand in its params: what its worker may ask for beside the job's own. Absent: none. */
  files?: string[]
  /** Ids of the newest events that its workers told, so that one that comes twice counts once. Absent: none. */
  eventIds?: string[]
}

/** A task as the job asks for it, every default filled in. */
export interface BranchSpec {
  skill: string
  queue: string
  params: JsonObject
  priority: number
  timeoutMs: number | null
  concurrencyKey: string | null
  concurrencyLimit: number
  fairKey: string
  pickupMs: number | null
  resultMs: number | null
  retry: RetryPolicy
}

interface BranchState {
  status: 'waiting' | 'open' | 'done' | 'failed' | 'closed'
  data: Json
  error: JobError | null
}

/** One task of a parallel fan-out. `spec` is kept only until the task is enqueued. `closed`: it was not needed any more. */
export interface TaskBranch extends BranchState {
  task: OpenTask
  spec: BranchSpec | null
}

/** A job in the place of a task. `childSpec` is kept only until it is made. */
export interface ChildBranch extends BranchState {
  child: { id: string; blueprint: string }
  childSpec: ChildSpec | null
}

export type Branch = TaskBranch | ChildBranch

export const isTaskBranch = (branch: Branch): branch is TaskBranch => 'task' in branch

export type Waiting =
  /** `onEvent`: where an event of the worker's leads, by the event's name. */
  | { kind: 'task'; task: OpenTask; on: Record<string, string>; onEvent: Record<string, string> }
  | {
      kind: 'parallel'
      into: string
      failFast: boolean
      concurrency: number | null
      /** So many successes are enough; null: all branches count. */
      quorum: number | null
      branches: Branch[]
    }
  | {
      kind: 'approval'
      message: string
      on: Record<string, string>
      /** Whom the message is for, as the blueprint names them; the engine only hands it on. */
      assignees: string[]
      timerId: string | null
      expiresAt: number | null
      /** Who is told when, should nobody have decided by then. Those before `escalated` have been. */
      escalate: Escalation[]
      escalated: number
    }
  | { kind: 'child'; childId: string; on: Record<string, string> }
  | { kind: 'event'; name: string; on: Record<string, string>; timerId: string | null; expiresAt: number | null }
  | { kind: 'sleep'; to: string; timerId: string; until: number }

export interface Escalation {
  at: number
  to: string
}

/** How the last action of the job came out; handlers read it as `last`. */
export interface LastOutcome {
  status: string
  data: Json
  error: JobError | null
}

/** How one task of the last `parallel` came out; its data are in `results` at the same place. */
export interface BranchOutcome {
  skill: string
  status: 'done' | 'failed' | 'closed'
  error: JobError | null
}

/** How a job is to end when its states are undone. */
export interface Ending {
  status: 'failed' | 'cancelled' | 'quarantined' | 'error'
  output: Json
  error: JobError | null
  /** Where it stood when that was decided. */
  state: string
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
  /** As long as `results`, and in the same order. */
  branches: BranchOutcome[]
  last: LastOutcome | null
  waiting: Waiting | null
  output: Json
  error: JobError | null
  /** Failed handler runs in the present state. */
  attempt: number
  /** State changes so far. */
  transitions: number
  /** From which of them on the guard against a blueprint that loops by itself counts. Absent: from the first. */
  guardFrom?: number
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
  /** Ids of the newest signals, so that one that comes twice counts once. */
  signalIds: string[]
  /** By state: the workers that its tasks were last given up or answered by. */
  workers: Record<string, string[]>
  /** The state that dispatched last. */
  dispatchedIn: string | null
  /** What the state that the job is in would have to be undone by, should it be left in success. */
  undoBy: string | null
  /** Undo states of what was done, in the order it was done. They run backwards when the job fails. */
  undo: string[]
  /** Set while that goes on. */
  ending: Ending | null
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
  /** Instant at which any instance may take the job to run its handler; null while it waits for something else. Only ever moves on. */
  wakeAt: number | null
  /** A handler outlasted its commit and runs on; `wakeAt` is then the end of its lease, by which its answer is fenced. */
  handling: boolean
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
