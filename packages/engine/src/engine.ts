/**
 * The engine, as the servers see it. It is a library: every process that needs it makes one over the shared Store,
 * and any number of them work side by side.
 */
import type { JobError, Json, JsonObject } from '@tutti/contracts'
import type { BlueprintRegistry } from './blueprint/registry.ts'
import type { JobChanges } from './job/cause.ts'
import type { ClientFacts, Job, JobEvent, OpenTask, Origin } from './job/job.ts'
import type { Queue } from './job/needs.ts'
import type { HeldTask, LeasedTask } from './job/task.ts'
import type { JobQuery, StoredRecord, WorkerRecord } from './store/port.ts'

export interface JobSpec {
  /** Chosen by the caller to make creation idempotent; otherwise the engine makes one. */
  id?: string
  blueprint: string
  input: JsonObject
  client: string
  priority?: number
  tags?: string[]
  metadata?: JsonObject
  deadlineMs?: number
  /** Not begun before this instant, or this long after its creation; of both the later. The deadline counts from creation. */
  startAt?: number
  delayMs?: number
  /** With `id`: hash of the request. A job of that id made from another request is refused with IDEMPOTENCY_CONFLICT. */
  fingerprint?: string
  clientFacts?: ClientFacts
  origin?: Origin
  webhook?: { url: string; events: string[] | null }
  trace?: string
  dispatchTimeoutMs?: number
  resultTimeoutMs?: number
  /** Taken from this budget, one for each job that is really made. @see Draw */
  quota?: { key: string; capacity: number; until: number }
}

export interface TakeRequest {
  /** A registered worker: what it can do is known from its record. */
  worker: string
  /** Of its skills only these; left out: all that it declared. */
  skills?: string[]
  /** At most so many of a skill, for a worker whose slots differ by skill. */
  perSkill?: Record<string, number>
  max: number
  /** How long to wait for a task when there is none; 0 answers at once. */
  waitMs: number
  leaseMs?: number
  /** Aborted when the asker has gone. Tasks chosen by then are given back untried. */
  signal?: AbortSignal
}

export interface ForkRequest {
  state?: string
  seq?: number
  data?: JsonObject
  input?: JsonObject
  /** Default: the version of the job. */
  version?: number
  by: string
}

export interface TaskOutcome {
  jobId: string
  taskId: string
  worker: string
  /** Absent from clients of the older protocol: then holding the lease is enough. */
  token?: string
  attempt?: number
  status: string
  data: Json
  error: JobError | null
  durationMs?: number
}

export type OutcomeAnswer =
  /** `as` where it was not the plain case: a branch of a `parallel`, or a status that the blueprint has no route for. */
  | { status: 'accepted'; as?: 'branch' | 'unhandled' }
  | {
      status: 'ignored'
      reason:
        | 'job_not_found'
        | 'stale_task'
        | 'lease_lost'
        | 'job_cancelled'
        | 'deadline_exceeded'
        | 'job_already_terminated'
    }

export interface Revocation {
  worker: string
  taskId: string
  jobId: string
}

export interface WorkerDeclaration {
  id: string
  bootId: string | null
  skills: string[]
  info: JsonObject
}

/** A worker as it is shown: its own words, and what is kept beside them. */
export interface ListedWorker extends WorkerRecord {
  /** By the operator; a worker that drains itself says so in `info.status`. */
  drained: boolean
  /** Between 0 and 1. */
  reputation: number
}

/** Who could do the tasks of a queue. */
export interface QueueExplanation {
  queue: Queue
  /** Somebody who is registered may take them: they wait for a free hand. */
  possible: boolean
  /** Hand-outs of the skill are limited (`skillRates`): they may wait for that. */
  rateLimited: boolean
  /** By id. `why` ends a sentence that begins with the worker's name; null: this one may take them. */
  workers: { id: string; why: string | null }[]
}

export interface EngineSettings {
  /** Names this instance in logs. */
  instance: string
  /** Tries of a task in all, where the blueprint sets nothing else. */
  taskAttempts: number
  /** Time-out of one try, where the blueprint sets nothing else; null for none. */
  taskTimeoutMs: number | null
  /** How long a task's lease lasts without a heartbeat. */
  taskLeaseMs: number
  /** How long a worker is listed without a sign of life. */
  workerTtlMs: number
  /** Failed runs of a handler before its job is quarantined. */
  handlerAttempts: number
  /** A handler that runs longer is given up and tried again. */
  handlerTimeoutMs: number
  /** A handler faster than this runs inside the commit that led to it; a slower one gets a lease of its own. */
  inlineHandlerMs: number
  /** Handlers running at a time in this instance. */
  maxHandlers: number
  /** State changes after which a job is taken to loop for ever. */
  maxTransitions: number
  /** Children of children of … a job. */
  maxDepth: number
  /** Events from outside that a job keeps until it waits for them. */
  maxSignals: number
  /** Hand-outs of a skill over all instances: so many per time. */
  skillRates: Record<string, { count: number; perMs: number }>
  reputation: ReputationSettings
  /** `overflow` passes a worker over that holds this many tasks. */
  overflowLimit: number
  /** Longest time between two looks at the clock, should every wake-up be lost. */
  safetyIntervalMs: number
  /** How long jobs are kept after their end; null: for ever. */
  retentionMs: number | null
}

/** Between 0 and 1; a new worker has 1. */
export interface ReputationSettings {
  reward: number
  failurePenalty: number
  violationPenalty: number
  /** A worker below gets only tasks that no registered worker above could do. */
  minimum: number
}

export interface Engine {
  readonly blueprints: BlueprintRegistry
  readonly settings: EngineSettings
  /**
   * Creates jobs and runs their first handlers. A spec whose id exists answers with the job that is there, if the client's own.
   * With a quota, all are drawn or none is made.
   * @throws TuttiError BLUEPRINT_NOT_FOUND, INVALID_BODY (with the path of the fault), QUOTA_EXCEEDED, IDEMPOTENCY_CONFLICT
   */
  create(specs: JobSpec[]): Promise<Job[]>
  /** A client sees its own jobs; null sees all. @throws TuttiError JOB_NOT_FOUND */
  job(id: string, client: string | null): Promise<Job>
  jobs(query: JobQuery): Promise<{ jobs: Job[]; cursor: string | null }>
  events(jobId: string, since: number, limit: number): Promise<JobEvent[]>
  /** @throws TuttiError JOB_NOT_FOUND, JOB_TERMINAL */
  cancel(id: string, client: string | null, by: string, reason: string | null): Promise<Job>
  /** @throws TuttiError JOB_NOT_FOUND, JOB_NOT_WAITING, INVALID_DECISION */
  approve(
    id: string,
    client: string | null,
    answer: { decision: string; by: string; comment: string | null },
  ): Promise<Job>

  /**
   * Keeps the job from taking further steps: no handler begins, and its status is `paused`, whatever it waits for (`waiting` still tells).
   * What is under way goes on: a handler that runs, tasks that are out, timers, children. What comes of it is recorded, up to the
   * state that it leads to. The deadline counts, and the job can be cancelled. Pausing twice is pausing once.
   */
  pause(id: string, client: string | null, by: string): Promise<Job>
  /** The job goes on from where it has come to. One that was to wait for its next try or its start goes on waiting, if that is still ahead. */
  resume(id: string, client: string | null, by: string): Promise<Job>
  /**
   * Changes what does not touch the job's course. A new priority is that of the tasks and children made from then on; those that are
   * in the queue keep theirs. `tags` and `metadata` replace the old ones.
   */
  update(id: string, client: string | null, changes: JobChanges, by?: string): Promise<Job>
  /**
   * Sends the job an event. One that it does not wait for yet is kept; one whose id it has had is answered as if it were new.
   * @throws TuttiError JOB_TERMINAL, INVALID_BODY (the event's schema), TOO_MANY_SIGNALS
   */
  signal(id: string, client: string | null, event: { id?: string; name: string; data: Json }): Promise<Job>
  /**
   * Begins a new job from a past state of this one: as it stood when it last entered `state`, or after line `seq` of its log; with
   * neither, in the last state that it was in and that is no end: that is how a failed job is tried again. `data` is laid over what it had
   * then. A job may be forked while it runs; what was undone of it is not done again.
   * @throws TuttiError INVALID_BODY when there was no such state
   */
  fork(id: string, client: string | null, from: ForkRequest): Promise<Job>
  /**
   * Puts a job that waits or is paused onto another version of its blueprint; `state` where the present one is not there any more: the job leaves what it
   * waits for and enters that one.
   * @throws TuttiError BLUEPRINT_NOT_FOUND, JOB_NOT_WAITING, INVALID_BODY when the version lacks a state that the job needs
   */
  migrate(id: string, client: string | null, to: { version: number; state?: string; by: string }): Promise<Job>
  /** Removes a job that has ended, with its log. @throws TuttiError JOB_NOT_FOUND, JOB_RUNNING */
  remove(id: string, client: string | null): Promise<void>

  /**
   * Runs for each record of the kind that is due, on one instance at a time. Answers the record to be stored (its `rev` one more than the
   * one given), or null to remove it; after a throw, or when the instance is killed, it comes again within 30 s.
   * One that takes longer than that may run on two instances at once.
   */
  onDue(kind: string, handle: (record: StoredRecord) => Promise<StoredRecord | null>): void

  /** A new boot id ends the leases of the worker's former process at once. */
  register(worker: WorkerDeclaration): Promise<WorkerRecord>
  /**
   * Prolongs the worker's listing and its leases. `held` are the tasks that are still its own.
   * @throws TuttiError WORKER_NOT_FOUND: it must register again
   */
  heartbeat(worker: string, patch: JsonObject, taskIds?: string[]): Promise<{ record: ListedWorker; held: string[] }>
  /** While drained a worker gets no further tasks, whatever it says of itself. @throws TuttiError WORKER_NOT_FOUND */
  drain(worker: string, drained: boolean): Promise<ListedWorker>
  /** Takes the worker off the list; its leases end at once. */
  deregister(worker: string): Promise<void>
  /** Prolongs leases only. Answers the tasks that are still the worker's. */
  renew(worker: string, taskIds: string[], leaseMs: number): Promise<string[]>
  /**
   * Gives back untried what this worker was handed out and does not know of, because the answer was lost. For a worker that asks for one thing at
   * a time, before it asks again. No lease is prolonged: a worker that reckons with the end of one would let go of a task that nobody else
   * may have for another lease. Answers what was given back.
   */
  giveBackOthers(worker: string, taskIds: string[]): Promise<string[]>
  workers(): Promise<ListedWorker[]>
  worker(id: string): Promise<ListedWorker | undefined>
  /** The worker as this instance knows it, by news a moment late: it is read only where it is not known. For what happens with every task. */
  knownWorker(id: string): Promise<ListedWorker | undefined>
  /** Why the tasks of a queue wait, worker by worker. @throws TuttiError INVALID_QUERY for what is no queue's name */
  explain(queue: string): Promise<QueueExplanation>

  /** @throws TuttiError WORKER_NOT_FOUND: it must register (again) */
  take(request: TakeRequest): Promise<LeasedTask[]>
  /** Gives tasks back untried. */
  release(leases: HeldTask[]): Promise<void>
  /** Records results, each once; answers in the same order. */
  results(outcomes: TaskOutcome[]): Promise<OutcomeAnswer[]>
  /** Notes progress; silently nothing when the task is not, or no longer, the worker's. */
  progress(event: {
    worker: string
    jobId: string
    taskId: string
    progress: number
    message: string | null
  }): Promise<void>

  /** A task in the worker's hands, with its job; undefined when it is not, or no longer, the worker's. */
  heldTask(which: {
    worker: string
    jobId: string
    taskId: string
    token?: string
  }): Promise<{ job: Job; task: OpenTask } | undefined>
  /**
   * Records what a worker tells in the middle of a task. Where the blueprint has a route for it (`onEvent`), the job takes that, and the
   * worker's lease is taken away. One whose id the task has had is answered as if it were new.
   */
  workerEvent(event: {
    id?: string
    worker: string
    jobId: string
    taskId: string
    name: string
    data: Json
    token?: string
  }): Promise<OutcomeAnswer>

  /** Calls the listener whenever the job's log may have grown; also after lost connections. */
  watch(jobId: string, listener: () => void): () => void
  /** Calls the listener for each lease taken away from a worker, on whichever instance. */
  onRevoked(listener: (revocation: Revocation) => void): () => void

  /** Starts the loops that watch the clock. Without it the instance only answers calls. */
  start(): void
  /** Ends loops and parked polls, lets commits and handlers in flight finish. The Store stays open. */
  stop(): Promise<void>
}
