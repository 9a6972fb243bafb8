/**
 * The Store in one process's memory: for tests, for the simulator, and where losing everything at the end is wanted
 * (`STORAGE=memory`). It is also the shortest statement of what the port means.
 */
import { isTerminal } from '@tutti/contracts'
import type {
  BlueprintVersion,
  Change,
  CommitOutcome,
  Job,
  JobEvent,
  JobQuery,
  Store,
  Timer,
  Wakeup,
  WorkerRecord,
} from '@tutti/engine'
import { labelsOf } from '@tutti/engine'
import { cursorOf, parseCursor } from '../cursor.ts'
import { createTaskQueue } from './task-queue.ts'

export interface MemoryStoreOptions {
  /** Milliseconds since the epoch; the simulator brings its own. */
  now?: () => number
  newToken?: () => string
}

export const createMemoryStore = (options: MemoryStoreOptions = {}): Store => {
  const { now = Date.now, newToken = () => crypto.randomUUID() } = options
  const jobs = new Map<string, Job>()
  const logs = new Map<string, JobEvent[]>()
  const timers = new Map<string, Timer>()
  const timersOf = new Map<string, Set<string>>()
  const workers = new Map<string, WorkerRecord>()
  const waking = new Set<string>()
  const queue = createTaskQueue({ now, newToken })
  const listeners = new Set<(wakeup: Wakeup) => void>()

  const tell = (wakeup: Wakeup): void => {
    // Later, as from a server: a listener must never run inside the commit that it hears of.
    queueMicrotask(() => {
      for (const listener of listeners) listener(wakeup)
    })
  }
  const putJob = (job: Job): void => {
    jobs.set(job.id, structuredClone(job))
    if (job.wakeAt === null) waking.delete(job.id)
    else waking.add(job.id)
  }
  const putTimer = (timer: Timer): void => {
    timers.set(timer.id, structuredClone(timer))
    const ids = timersOf.get(timer.jobId) ?? new Set()
    timersOf.set(timer.jobId, ids.add(timer.id))
  }
  const dropTimer = (id: string): void => {
    const timer = timers.get(id)
    if (!timer) return
    timers.delete(id)
    const ids = timersOf.get(timer.jobId)
    ids?.delete(id)
    if (ids?.size === 0) timersOf.delete(timer.jobId)
  }

  const commitOne = (change: Change, news: News): CommitOutcome => {
    const { job } = change
    const known = jobs.get(job.id)
    if (job.rev === 1 && known) return { accepted: false, reason: 'exists' }
    if (job.rev !== 1 && known?.rev !== job.rev - 1) return { accepted: false, reason: 'stale' }
    const lost = change.fences.filter(([taskId, token]) => !queue.holds(taskId, token)).map(([taskId]) => taskId)
    if (lost.length > 0) return { accepted: false, reason: 'fenced', tasks: lost }

    const answered = new Set(change.answered)
    const revoke = (taskIds: string[]): void => {
      for (const { taskId, worker } of taskIds.flatMap((id) => queue.close(id) ?? []))
        if (!answered.has(taskId)) news.revoked.push({ worker, taskId, jobId: job.id })
    }
    putJob(job)
    logs.set(job.id, [...(logs.get(job.id) ?? []), ...structuredClone(change.events)])
    for (const entry of change.requeue) {
      const holder = queue.requeue(entry.taskId, entry.attempt, entry.visibleAt)
      if (holder !== undefined && !answered.has(entry.taskId))
        news.revoked.push({ worker: holder, taskId: entry.taskId, jobId: job.id })
    }
    revoke(change.close)
    for (const task of change.enqueue) queue.enqueue(structuredClone(task))
    for (const id of change.clearTimers) dropTimer(id)
    if (isTerminal(job.status)) {
      revoke(queue.ofJob(job.id))
      for (const id of [...(timersOf.get(job.id) ?? [])]) dropTimer(id)
    }
    for (const timer of change.setTimers) putTimer(timer)
    for (const child of change.spawn) {
      if (jobs.has(child.job.id)) continue
      putJob(child.job)
      logs.set(child.job.id, structuredClone(child.events))
      for (const timer of child.timers) putTimer(timer)
    }
    news.queues.push(...queue.takeFreed())
    news.jobs.push(job.id)
    return { accepted: true }
  }

  /** Jobs count if their blueprint is among these; null counts all. */
  const dueAt = (blueprints: BlueprintVersion[] | null): number | null => {
    const wakeAt = (job: Job | undefined): number =>
      job && (blueprints === null || runs(blueprints, job))
        ? (job.wakeAt ?? Number.POSITIVE_INFINITY)
        : Number.POSITIVE_INFINITY
    const instants = [
      ...[...timers.values()].map((timer) => timer.dueAt),
      ...[...waking].map((id) => wakeAt(jobs.get(id))),
      ...queue.instants(),
    ]
    const earliest = instants.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)
    return Number.isFinite(earliest) ? earliest : null
  }

  return {
    now,
    commit: async (changes) => {
      const news: News = { queues: [], jobs: [], revoked: [] }
      const outcomes = changes.map((change) => commitOne(change, news))
      const due = dueAt(null)
      tell({ ...news, queues: counted(news.queues), ...(due === null ? {} : { dueAt: due }) })
      return outcomes
    },
    job: async (ids) => ids.map((id) => structuredClone(jobs.get(id))),
    jobs: async (query) => page([...jobs.values()], query),
    events: async (jobId, since, limit) =>
      structuredClone((logs.get(jobId) ?? []).filter((event) => event.seq > since).slice(0, limit)),
    leaseJobs: async ({ blueprints, limit, leaseMs }) => {
      const due = [...waking]
        .flatMap((id) => jobs.get(id) ?? [])
        .filter((job) => job.wakeAt !== null && job.wakeAt <= now() && runs(blueprints, job))
        .sort((a, b) => (a.wakeAt ?? 0) - (b.wakeAt ?? 0))
        .slice(0, limit)
      return due.map((job) => {
        const leased = { ...job, rev: job.rev + 1, wakeAt: now() + leaseMs }
        putJob(leased)
        return structuredClone(leased)
      })
    },
    leaseTasks: async (requests) => requests.map((request) => structuredClone(queue.lease(request))),
    leaseTimers: async ({ limit, leaseMs }) => {
      const due = [...timers.values()]
        .filter((timer) => timer.dueAt <= now())
        .sort((a, b) => a.dueAt - b.dueAt)
        .slice(0, limit)
      const leased = due.map((timer) => structuredClone(timer))
      for (const timer of due) timer.dueAt = now() + leaseMs
      return { timers: leased, lost: queue.leaseLost(limit, leaseMs) }
    },
    nextDue: async (blueprints) => dueAt(blueprints),
    renew: async ({ worker, taskIds, leaseMs }) => queue.renew(worker, taskIds, leaseMs),
    held: async (worker, taskId) => queue.held(worker, taskId),
    release: async (leases) => {
      for (const [taskId, token] of leases) queue.release(taskId, token)
      tell({ queues: counted(queue.takeFreed()) })
    },
    expireLeases: async (worker) => {
      queue.expire(worker)
      tell({ dueAt: now() })
    },
    dropTimers: async (ids) => {
      for (const id of ids) dropTimer(id)
    },
    putWorker: async (worker) => {
      const former = workers.get(worker.id)
      workers.set(worker.id, structuredClone(worker))
      return former
    },
    worker: async (id) => {
      const worker = workers.get(id)
      return worker && worker.expiresAt > now() ? structuredClone(worker) : undefined
    },
    workers: async () => structuredClone([...workers.values()].filter((worker) => worker.expiresAt > now())),
    subscribe: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    close: async () => listeners.clear(),
  }
}

const runs = (blueprints: BlueprintVersion[], { blueprint, version }: Job): boolean =>
  blueprints.some((each) => each.name === blueprint && each.version === version)

interface News {
  queues: string[]
  jobs: string[]
  revoked: NonNullable<Wakeup['revoked']>
}

const counted = (queues: string[]): Record<string, number> => {
  const counts = new Map<string, number>()
  for (const queue of queues) counts.set(queue, (counts.get(queue) ?? 0) + 1)
  return Object.fromEntries(counts)
}

const page = (all: Job[], query: JobQuery): { jobs: Job[]; cursor: string | null } => {
  const after = query.cursor === undefined ? null : parseCursor(query.cursor)
  const matching = all
    .filter((job) => query.client === null || job.client === query.client)
    .filter((job) => query.statuses === undefined || query.statuses.includes(job.status))
    .filter((job) => query.blueprint === undefined || job.blueprint === query.blueprint)
    .filter((job) => (query.labels ?? []).every((label) => labelsOf(job).includes(label)))
    .sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1))
    .filter((job) => !after || job.createdAt < after.at || (job.createdAt === after.at && job.id < after.id))
  const found = matching.slice(0, query.limit)
  const last = found.at(-1)
  return {
    jobs: structuredClone(found),
    cursor: matching.length > found.length && last ? cursorOf(last) : null,
  }
}
