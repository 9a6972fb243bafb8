/**
 * The engine, as the servers see it. It is a library: every process that needs it makes one over the shared Store,
 * and any number of them work side by side.
 */
import type { JobError, Json, JsonObject } from '@tutti/contracts'
import type { BlueprintRegistry } from './blueprint/registry.ts'
import type { Job, JobEvent } from './job/job.ts'
import type { LeasedTask } from './job/task.ts'
import type { JobQuery, WorkerRecord } from './store/port.ts'

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
}

export interface TakeRequest {
  worker: string
  skills: string[]
  max: number
  /** How long to wait for a task when there is none; 0 answers at once. */
  waitMs: number
  leaseMs?: number
  /** Aborted when the asker has gone. Tasks chosen by then are given back untried. */
  signal?: AbortSignal
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
  | { status: 'accepted' }
  | { status: 'ignored'; reason: 'job_not_found' | 'stale_task' | 'lease_lost' | 'job_already_terminated' }

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
  /** Longest time between two looks at the clock, should every wake-up be lost. */
  safetyIntervalMs: number
}

export interface Engine {
  readonly blueprints: BlueprintRegistry
  readonly settings: EngineSettings
  /**
   * Creates jobs and runs their first handlers. A spec whose id exists answers with the job that is there, if the client's own.
   * @throws TuttiError BLUEPRINT_NOT_FOUND, INVALID_BODY (with the path of the fault)
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

  /** A new boot id ends the leases of the worker's former process at once. */
  register(worker: WorkerDeclaration): Promise<WorkerRecord>
  /**
   * Prolongs the worker's listing and its leases. `held` are the tasks that are still its own.
   * @throws TuttiError WORKER_NOT_FOUND: it must register again
   */
  heartbeat(worker: string, patch: JsonObject, taskIds?: string[]): Promise<{ record: WorkerRecord; held: string[] }>
  /** Prolongs leases only. Answers the tasks that are still the worker's. */
  renew(worker: string, taskIds: string[], leaseMs: number): Promise<string[]>
  workers(): Promise<WorkerRecord[]>
  worker(id: string): Promise<WorkerRecord | undefined>

  take(request: TakeRequest): Promise<LeasedTask[]>
  /** Gives tasks back untried. */
  release(leases: LeasedTask[]): Promise<void>
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

  /** Calls the listener whenever the job's log may have grown; also after lost connections. */
  watch(jobId: string, listener: () => void): () => void
  /** Calls the listener for each lease taken away from a worker, on whichever instance. */
  onRevoked(listener: (revocation: Revocation) => void): () => void

  /** Starts the loops that watch the clock. Without it the instance only answers calls. */
  start(): void
  /** Ends loops and parked polls, lets commits and handlers in flight finish. The Store stays open. */
  stop(): Promise<void>
}
