/** What a suite runs on: a Store that nothing else uses, and what it takes to look at it. */
import {
  type Change,
  type CommitOutcome,
  type Job,
  type JobEvent,
  type LeasedTask,
  newJob,
  type Store,
  type Task,
  type Timer,
} from '@tutti/engine'
import { expect } from 'vitest'

export interface Subject {
  store: Store
  /** Another client of the same data: another process, as far as the Store can tell. Memory answers the same one. */
  second(): Promise<Store>
  close(): Promise<void>
}

/** The subject of the test that runs; a fresh one for each. */
export type Current = () => Subject

export const aJob = (patch: Partial<Job> = {}): Job => ({
  ...newJob(
    {
      id: crypto.randomUUID(),
      blueprint: 'transcode',
      version: 1,
      client: 'client-a',
      start: 'render',
      input: {},
      status: 'waiting_for_worker',
    },
    1_900_000_000_000,
  ),
  rev: 1,
  ...patch,
})

/** The blueprint of every job here, as an instance names what it can run. */
export const here = [{ name: 'transcode', version: 1 }]

/** The job one revision on. */
export const next = (job: Job, patch: Partial<Job> = {}): Job => ({ ...job, ...patch, rev: job.rev + 1 })

export const ended = (job: Job): Job => next(job, { status: 'finished', finishedAt: job.createdAt })

export const aChange = (job: Job, patch: Partial<Omit<Change, 'job'>> = {}): Change => ({
  job,
  fences: [],
  answered: [],
  enqueue: [],
  requeue: [],
  close: [],
  setTimers: [],
  clearTimers: [],
  events: [],
  spawn: [],
  records: [],
  ...patch,
})

export const aTask = (job: Job, patch: Partial<Task> = {}): Task => ({
  id: crypto.randomUUID(),
  jobId: job.id,
  client: job.client,
  skill: 'video.render',
  queue: patch.skill ?? 'video.render',
  params: {},
  priority: 0,
  attempt: 1,
  timeoutMs: null,
  concurrencyKey: null,
  concurrencyLimit: 1,
  fairKey: job.client,
  visibleAt: 0,
  pickupBy: null,
  trace: null,
  ...patch,
})

/** Due long ago unless told otherwise. */
export const aTimer = (job: Job, patch: Partial<Timer> = {}): Timer => ({
  id: crypto.randomUUID(),
  jobId: job.id,
  dueAt: 1_000,
  cause: { type: 'deadline' },
  ...patch,
})

export const anEvent = (job: Job, seq: number, patch: Partial<JobEvent> = {}): JobEvent => ({
  jobId: job.id,
  seq,
  at: job.createdAt,
  type: 'progress',
  state: job.state,
  data: {},
  ...patch,
})

/** Commits changes that must all be taken. */
export const accept = async (store: Store, ...changes: Change[]): Promise<void> => {
  expect(await store.commit(changes)).toEqual(changes.map(() => ({ accepted: true })))
}

export const commitOne = async (store: Store, change: Change): Promise<CommitOutcome> => {
  const [outcome] = await store.commit([change])
  if (!outcome) throw new Error('the commit gave no answer')
  return outcome
}

/** Stores a job with these tasks. */
export const jobWith = async (store: Store, tasks: Partial<Task>[], patch: Partial<Job> = {}): Promise<Job> => {
  const job = aJob(patch)
  await accept(store, aChange(job, { enqueue: tasks.map((task) => aTask(job, task)) }))
  return job
}

export const lease = async (
  store: Store,
  request: { worker?: string; queues?: string[]; max?: number; leaseMs?: number } = {},
): Promise<LeasedTask[]> => {
  const { worker = 'worker-1', queues = ['video.render'], max = 1, leaseMs = 60_000 } = request
  const [leases] = await store.leaseTasks([{ worker, queues, max, leaseMs }])
  return leases ?? []
}

/** Leases one task that must be there. */
export const leaseOne = async (store: Store, request: Parameters<typeof lease>[1] = {}): Promise<LeasedTask> => {
  const [leased] = await lease(store, request)
  if (!leased) throw new Error('there was no task to lease')
  return leased
}

export const fenceOf = (leased: LeasedTask): [string, string] => [leased.task.id, leased.token]

export const idsOf = (leases: LeasedTask[]): string[] => leases.map((leased) => leased.task.id)

/** Ids of all timers that are due, without keeping anybody else off them. */
export const dueTimers = async (store: Store): Promise<string[]> => {
  const { timers } = await store.leaseTimers({ limit: 1_000, leaseMs: 0 })
  return timers.map((timer) => timer.id).sort()
}
