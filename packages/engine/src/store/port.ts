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
  /**
   * Hand a task out again, as this try, not before this instant, and from another queue where one is named. The `pickupBy` it had is
   * over, whether it was kept or not: without a new one it may wait for ever. It keeps its turn, and its place in the line of its key.
   */
  requeue: { taskId: string; attempt: number; visibleAt: number; queue?: string; pickupBy?: number }[]
  /** Tasks that are over. A terminal job's tasks and timers are all removed without being named. */
  close: string[]
  setTimers: Timer[]
  clearTimers: string[]
  /** Consecutive from the old `seq` + 1. */
  events: JobEvent[]
  /** Child jobs to create; a child that exists already is left alone. */
  spawn: { job: Job; events: JobEvent[]; timers: Timer[] }[]
  /** The outbox: records (of rev 1) that come into being with the change; one that exists already is left alone. */
  records: StoredRecord[]
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

/** All conditions must hold; those left out do not count. */
export interface JobQuery {
  client: string | null
  /** Any of these. */
  statuses?: JobStatus[]
  blueprint?: string
  /** All of these: see `labelsOf`. */
  labels?: string[]
  createdFrom?: number
  createdBefore?: number
  limit: number
  /** From the page before; newest jobs come first. */
  cursor?: string
}

/**
 * A lease that ended without an answer, to be judged by the job. `not_picked_up`: no worker took the task before `pickupBy`; the
 * Store has then leased it to nobody (`worker` is empty), so that the verdict is fenced like any other.
 */
export interface LostLease {
  jobId: string
  taskId: string
  attempt: number
  token: string
  worker: string
  reason: 'lease_expired' | 'timed_out' | 'not_picked_up'
}

/**
 * A small document beside the jobs: a schedule, a webhook delivery, a blueprint registered over the API, a worker's reputation.
 * `rev` fences its writers as it does with jobs, and `dueAt` hands it to one instance at a time.
 */
export interface StoredRecord {
  kind: string
  id: string
  /** The client it belongs to; null: to the installation. */
  owner: string | null
  /** What it is about (a job, a schedule), to be found by; null: nothing. */
  ref: string | null
  /** 1 creates the record; else the stored one's plus 1. */
  rev: number
  /** When something is to be done about it; null: never. */
  dueAt: number | null
  /** From then on it counts as gone; null: it stays. */
  expiresAt: number | null
  body: JsonObject
}

export interface RecordQuery {
  kind: string
  /** null: of anybody. */
  owner?: string | null
  ref?: string
  limit: number
  /** In the order of ids (by code unit); `newest` turns it round, for ids that begin with an instant. */
  newest?: boolean
  /** The id after which the page begins. */
  after?: string
}

/**
 * Taking from a budget that all instances share. `bucket`: holds `capacity` at first and is refilled evenly up to that (token bucket).
 * `window`: `capacity` in all until the instant `until`; a later `until` begins anew (a calendar month, say).
 */
export interface Draw {
  key: string
  /** 0 only looks; less than 0 gives back, never beyond the capacity. */
  want: number
  /** Take what is there rather than nothing. */
  partial?: boolean
  budget:
    | { kind: 'bucket'; capacity: number; refillPerMs: number }
    | { kind: 'window'; capacity: number; until: number }
}

export interface Drawn {
  /** What was taken: a whole number where less than `want` was there; less than 0 is what was given back. */
  granted: number
  left: number
  /** When the rest of `want` could be granted; null when all was, or when it never can be. */
  retryAt: number | null
}

/** A line of any job's log, as the feed tells it. */
export interface FeedEvent extends JobEvent {
  client: string
  blueprint: string
  /** Reading goes on behind this line. */
  cursor: string
}

export interface StoreStats {
  jobs: Partial<Record<JobStatus, number>>
  /** Tasks by queue: those that wait (visible or not, held back or not), those in the hands of workers, the oldest waiting one's instant. */
  queues: { queue: string; waiting: number; leased: number; oldestAt: number | null }[]
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

export interface WorkerTouch {
  id: string
  info: JsonObject
  skills?: string[]
  lastSeenAt: number
  expiresAt: number
}

/** News from any instance. Losing one delays work until the next safety poll, and never loses it. */
export interface Wakeup {
  /** Tasks that became available, by queue. */
  queues?: Record<string, number>
  /** Jobs whose log grew. */
  jobs?: string[]
  /** Earliest instant at which a timer, lease, job or record is due, or a task must have been picked up. */
  dueAt?: number
  /** Leases taken away from workers that may still be working. */
  revoked?: { worker: string; taskId: string; jobId: string }[]
  /** Kinds of records that changed. */
  records?: string[]
  /** Workers that registered, left, or told something new of themselves. */
  workers?: string[]
  /** The connection for news was lost for a while: assume anything. */
  resync?: true
}

export interface Store {
  /** The Store's clock, milliseconds since the epoch. Adapters with a remote clock keep an estimate of it. */
  now(): number
  /**
   * Does what takes long about a change before it travels with others in one commit. Absent where there is nothing of the kind;
   * a commit of a change that was not prepared does it by itself, and fails for all when it fails for one.
   */
  prepare?(change: Change): Promise<void>
  /** Takes or refuses each change on its own; answers in the same order. No two may be of one job. */
  commit(changes: Change[]): Promise<CommitOutcome[]>
  /** In the order asked; undefined where there is none. */
  job(ids: string[]): Promise<(Job | undefined)[]>
  /** @throws TuttiError INVALID_QUERY for a cursor that no page gave */
  jobs(query: JobQuery): Promise<{ jobs: Job[]; cursor: string | null }>
  events(jobId: string, since: number, limit: number): Promise<JobEvent[]>
  /**
   * The log lines of all jobs, in an order in which no line ever appears in front of one that was read. `cursor` goes on behind the
   * last line answered; it equals `after` when there was none. `client` leaves others' lines out.
   * @throws TuttiError INVALID_QUERY for a cursor that the feed never gave
   */
  feed(request: {
    after: string | null
    limit: number
    client?: string
  }): Promise<{ events: FeedEvent[]; cursor: string | null }>
  /** The cursor behind the newest line of the feed; null where there is none. */
  feedEnd(): Promise<string | null>
  stats(client: string | null): Promise<StoreStats>
  /** Removes jobs that have ended, with their logs. Answers the ids removed; one that runs or is unknown is left out. */
  removeJobs(ids: string[]): Promise<string[]>
  /**
   * Removes up to `limit` jobs that ended before `finishedBefore`, feed lines stored before `feedBefore` (the logs stay with the jobs),
   * and workers and records that have expired. Answers the ids of the jobs.
   */
  purge(request: { finishedBefore: number; feedBefore: number; limit: number }): Promise<string[]>

  /** Jobs of these versions of blueprints whose `wakeAt` has come. Taking one adds 1 to `rev` and moves `wakeAt` by `leaseMs`. */
  leaseJobs(request: { blueprints: BlueprintVersion[]; limit: number; leaseMs: number }): Promise<Job[]>
  /** For each request the best tasks of its queues: by priority, then in turns between the values of `fairKey`, then by age. */
  leaseTasks(requests: TaskRequest[]): Promise<LeasedTask[][]>
  /** All queues that hold tasks; it may name some that have become empty. */
  queues(): Promise<string[]>
  /** Due timers and lost leases; they come again after `leaseMs` unless a commit has settled them. */
  leaseTimers(request: { limit: number; leaseMs: number }): Promise<{ timers: Timer[]; lost: LostLease[] }>
  /**
   * Earliest instant at which leaseJobs (for these blueprints), leaseTimers or leaseRecords (for these kinds) would find something, or a
   * task becomes available after its back-off; null when nothing is set.
   */
  nextDue(blueprints: BlueprintVersion[], kinds: string[]): Promise<number | null>
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
  /**
   * Prolongs a worker's listing and lays `info` over what it told before; `skills` replace the old ones where given. The boot id stays:
   * a heartbeat never undoes a registration. Answers the new record; undefined when there is none (any more).
   */
  touchWorker(touch: WorkerTouch): Promise<WorkerRecord | undefined>
  removeWorker(id: string): Promise<void>
  worker(id: string): Promise<WorkerRecord | undefined>
  workers(): Promise<WorkerRecord[]>

  /** Each is taken or refused on its own (its `rev` does not follow the stored one's); answers in the same order which were taken. */
  putRecords(records: StoredRecord[]): Promise<boolean[]>
  /** In the order asked; undefined where there is none. */
  getRecords(kind: string, ids: string[]): Promise<(StoredRecord | undefined)[]>
  listRecords(query: RecordQuery): Promise<StoredRecord[]>
  /** Records that are due. Taking one adds 1 to `rev` and moves `dueAt` by `leaseMs`. */
  leaseRecords(request: { kind: string; limit: number; leaseMs: number }): Promise<StoredRecord[]>
  dropRecords(kind: string, ids: string[]): Promise<void>
  /** Takes from shared budgets; answers in the same order. Several draws on one key in one call count one after another. */
  draw(draws: Draw[]): Promise<Drawn[]>

  /** Calls the listener with news until the returned function is called. The listener must not throw. */
  subscribe(listener: (wakeup: Wakeup) => void): () => void
  close(): Promise<void>
}
