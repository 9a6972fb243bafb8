/**
 * The Store: all that the engine keeps. Adapters: memory, postgres (redis follows). One conformance suite holds for each.
 *
 * Whatever is handed out is a lease with a token, and instants are the Store's own clock, never a process's.
 * Every method may be called by many instances at once. A method that throws may or may not have taken effect
 * (the answer can be lost on the way), except that a Change is always taken whole or not at all.
 */
import type { JobStatus, JsonObject } from '@tutti/contracts'
import type { Timer } from '../job/cause.ts'
import type { Job, JobEvent } from '../job/job.ts'
import type { LeasedTask, Task, TaskRequest } from '../job/task.ts'

/** One atomic step of one job. */
export interface Change {
  /** The next state. `rev` is the old one plus 1; `rev` 1 creates the job. */
  job: Job
  /** Leases that must still be held, as `[task id, token]`; else the change is refused as `fenced`. */
  fences: [taskId: string, token: string][]
  /** Of those, the tasks whose worker has answered: it needs no word that its lease is gone. */
  answered: string[]
  enqueue: Task[]
  /** Hand a task out again, as this try, not before this instant. */
  requeue: { taskId: string; attempt: number; visibleAt: number }[]
  /** Tasks that are over. A terminal job's tasks and timers are all removed without being named. */
  close: string[]
  setTimers: Timer[]
  clearTimers: string[]
  /** Consecutive from the old `seq` + 1. */
  events: JobEvent[]
  /** Child jobs to create; a child that exists already is left alone. */
  spawn: { job: Job; events: JobEvent[]; timers: Timer[] }[]
}

export type CommitOutcome =
  | { accepted: true }
  /** `exists`: rev 1 of an id that is there. `stale`: the job has moved on; read it again. */
  | { accepted: false; reason: 'exists' | 'stale' }
  | { accepted: false; reason: 'fenced'; tasks: string[] }

/** What an instance can run. While versions are rolled out, instances differ: each takes only what it has the code of. */
export interface BlueprintVersion {
  name: string
  version: number
}

export interface JobQuery {
  client: string | null
  status?: JobStatus
  blueprint?: string
  tag?: string
  limit: number
  /** From the page before; newest jobs come first. */
  cursor?: string
}

/** A lease that ended without an answer, to be judged by the job. */
export interface LostLease {
  jobId: string
  taskId: string
  attempt: number
  token: string
  worker: string
  reason: 'lease_expired' | 'timed_out'
}

export interface WorkerRecord {
  id: string
  /** New at every start of the worker's process. */
  bootId: string | null
  skills: string[]
  /** All that the worker told of itself. */
  info: JsonObject
  registeredAt: number
  lastSeenAt: number
  /** Not listed after this instant. */
  expiresAt: number
}

/** News from any instance. Losing one delays work until the next safety poll, and never loses it. */
export interface Wakeup {
  /** Tasks that became available, by skill. */
  skills?: Record<string, number>
  /** Jobs whose log grew. */
  jobs?: string[]
  /** Earliest instant at which a timer, lease or job is due. */
  dueAt?: number
  /** Leases taken away from workers that may still be working. */
  revoked?: { worker: string; taskId: string; jobId: string }[]
  /** The connection for news was lost for a while: assume anything. */
  resync?: true
}

export interface Store {
  /** The Store's clock, milliseconds since the epoch. Adapters with a remote clock keep an estimate of it. */
  now(): number
  /** Takes or refuses each change on its own; answers in the same order. No two may be of one job. */
  commit(changes: Change[]): Promise<CommitOutcome[]>
  /** In the order asked; undefined where there is none. */
  job(ids: string[]): Promise<(Job | undefined)[]>
  /** @throws TuttiError INVALID_QUERY for a cursor that no page gave */
  jobs(query: JobQuery): Promise<{ jobs: Job[]; cursor: string | null }>
  events(jobId: string, since: number, limit: number): Promise<JobEvent[]>

  /** Jobs of these versions of blueprints whose `wakeAt` has come. Taking one adds 1 to `rev` and moves `wakeAt` by `leaseMs`. */
  leaseJobs(request: { blueprints: BlueprintVersion[]; limit: number; leaseMs: number }): Promise<Job[]>
  /** For each request the best tasks it can do: by priority, then age. */
  leaseTasks(requests: TaskRequest[]): Promise<LeasedTask[][]>
  /** Due timers and lost leases; they come again after `leaseMs` unless a commit has settled them. */
  leaseTimers(request: { limit: number; leaseMs: number }): Promise<{ timers: Timer[]; lost: LostLease[] }>
  /**
   * Earliest instant at which leaseJobs (for these blueprints) or leaseTimers would find something, or a task becomes available
   * after its back-off; null when nothing is set.
   */
  nextDue(blueprints: BlueprintVersion[]): Promise<number | null>
  /** Prolongs what the worker holds (all, or those named) to now + `leaseMs`, never past a deadline. Answers what it holds. */
  renew(request: { worker: string; taskIds?: string[]; leaseMs: number }): Promise<string[]>
  /** The token of the task if this worker holds it now. */
  held(worker: string, taskId: string): Promise<string | undefined>
  /** Gives tasks back untried: as if they had never been handed out. */
  release(leases: [taskId: string, token: string][]): Promise<void>
  /** Ends all leases of a worker now, as if they had run out. */
  expireLeases(worker: string): Promise<void>
  /** Removes timers that found no job to act on. */
  dropTimers(ids: string[]): Promise<void>

  /** Stores a worker; answers the record it replaced. */
  putWorker(worker: WorkerRecord): Promise<WorkerRecord | undefined>
  worker(id: string): Promise<WorkerRecord | undefined>
  workers(): Promise<WorkerRecord[]>

  /** Calls the listener with news until the returned function is called. The listener must not throw. */
  subscribe(listener: (wakeup: Wakeup) => void): () => void
  close(): Promise<void>
}
