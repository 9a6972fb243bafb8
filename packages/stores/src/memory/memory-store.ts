/**
 * The Store in one process's memory: for tests, for the simulator, and where losing everything at the end is wanted
 * (`STORAGE=memory`). It is also the shortest statement of what the port means.
 */
import { isTerminal } from '@tutti/contracts'
import {
  type BlueprintVersion,
  type Change,
  type CommitOutcome,
  copyJson,
  type Job,
  type JobEvent,
  type JobQuery,
  labelsOf,
  type Store,
  type StoreStats,
  type Timer,
  type Wakeup,
  type WorkerRecord,
} from '@tutti/engine'
import { type Budget, drawFrom } from '../budget.ts'
import { cursorOf, parseCursor } from '../cursor.ts'
import { earliest, instantsOf } from '../instants.ts'
import { touched } from '../worker.ts'
import { createFeed } from './feed.ts'
import { createRecords } from './records.ts'
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
  const budgets = new Map<string, Budget>()
  const queue = createTaskQueue({ now, newToken })
  const records = createRecords(now)
  const feed = createFeed(now)
  const listeners = new Set<(wakeup: Wakeup) => void>()

  const tell = (wakeup: Wakeup): void => {
    // Later, as from a server: a listener must never run inside the commit that it hears of.
    queueMicrotask(() => {
      for (const listener of listeners) listener(wakeup)
    })
  }
  const putJob = (job: Job): void => {
    jobs.set(job.id, copyJson(job))
    if (job.wakeAt === null) waking.delete(job.id)
    else waking.add(job.id)
  }
  const log = (job: Job, events: JobEvent[]): void => {
    if (events.length === 0) return
    const kept = copyJson(events)
    const lines = logs.get(job.id)
    if (lines) lines.push(...kept)
    else logs.set(job.id, kept)
    feed.add(job, kept)
  }
  const putTimer = (timer: Timer): void => {
    timers.set(timer.id, copyJson(timer))
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
    log(job, change.events)
    for (const again of change.requeue) {
      const holder = queue.requeue(again)
      if (holder !== undefined && !answered.has(again.taskId))
        news.revoked.push({ worker: holder, taskId: again.taskId, jobId: job.id })
    }
    revoke(change.close)
    for (const task of change.enqueue) queue.enqueue(copyJson(task))
    for (const id of change.clearTimers) dropTimer(id)
    if (isTerminal(job.status)) {
      revoke(queue.ofJob(job.id))
      for (const id of [...(timersOf.get(job.id) ?? [])]) dropTimer(id)
    }
    for (const timer of change.setTimers) putTimer(timer)
    for (const child of change.spawn) {
      if (jobs.has(child.job.id)) continue
      putJob(child.job)
      log(child.job, child.events)
      for (const timer of child.timers) putTimer(timer)
    }
    for (const record of change.records) if (records.put(record)) news.records.add(record.kind)
    news.queues.push(...queue.takeFreed())
    news.jobs.push(job.id)
    news.dues.push(...instantsOf(change))
    return { accepted: true }
  }

  const remove = (ids: string[]): string[] => {
    const gone = new Set(ids.filter((id) => isTerminal(jobs.get(id)?.status ?? 'running')))
    for (const id of gone) {
      jobs.delete(id)
      logs.delete(id)
      waking.delete(id)
      for (const timer of [...(timersOf.get(id) ?? [])]) dropTimer(timer)
    }
    feed.remove(gone)
    return [...gone]
  }

  const alive = (id: string): WorkerRecord | undefined => {
    const worker = workers.get(id)
    return worker && worker.expiresAt > now() ? worker : undefined
  }

  return {
    now,
    commit: async (changes) => {
      const news: News = { queues: [], jobs: [], revoked: [], records: new Set(), dues: [] }
      const outcomes = changes.map((change) => commitOne(change, news))
      const dueAt = earliest(news.dues)
      tell({
        queues: counted(news.queues),
        jobs: news.jobs,
        revoked: news.revoked,
        ...(news.records.size === 0 ? {} : { records: [...news.records] }),
        ...(dueAt === null ? {} : { dueAt }),
      })
      return outcomes
    },
    job: async (ids) => ids.map((id) => copyJson(jobs.get(id))),
    jobs: async (query) => page([...jobs.values()], query),
    events: async (jobId, since, limit) =>
      copyJson((logs.get(jobId) ?? []).filter((event) => event.seq > since).slice(0, limit)),
    feed: async (request) => feed.read(request),
    feedEnd: async () => feed.end(),
    stats: async (client) => {
      const counts: StoreStats['jobs'] = {}
      for (const job of jobs.values())
        if (client === null || job.client === client) counts[job.status] = (counts[job.status] ?? 0) + 1
      return { jobs: counts, queues: queue.stats(client) }
    },
    removeJobs: async (ids) => remove(ids),
    purge: async ({ finishedBefore, feedBefore, limit }) => {
      feed.purge(feedBefore)
      records.purge()
      for (const { id, expiresAt } of [...workers.values()]) if (expiresAt <= now()) workers.delete(id)
      const over = [...jobs.values()].filter(({ finishedAt }) => finishedAt !== null && finishedAt < finishedBefore)
      const oldest = over.sort((a, b) => (a.finishedAt ?? 0) - (b.finishedAt ?? 0))
      return remove(oldest.slice(0, limit).map(({ id }) => id))
    },

    leaseJobs: async ({ blueprints, limit, leaseMs }) => {
      const due = [...waking]
        .flatMap((id) => jobs.get(id) ?? [])
        .filter((job) => job.wakeAt !== null && job.wakeAt <= now() && runs(blueprints, job))
        .sort((a, b) => (a.wakeAt ?? 0) - (b.wakeAt ?? 0))
        .slice(0, limit)
      return due.map((job) => {
        const leased = { ...job, rev: job.rev + 1, wakeAt: now() + leaseMs }
        putJob(leased)
        return copyJson(leased)
      })
    },
    leaseTasks: async (requests) => requests.map((request) => copyJson(queue.lease(request))),
    queues: async () => queue.queues(),
    leaseTimers: async ({ limit, leaseMs }) => {
      const due = [...timers.values()]
        .filter((timer) => timer.dueAt <= now())
        .sort((a, b) => a.dueAt - b.dueAt)
        .slice(0, limit)
      const leased = due.map((timer) => copyJson(timer))
      for (const timer of due) timer.dueAt = now() + leaseMs
      return { timers: leased, lost: queue.leaseLost(limit, leaseMs) }
    },
    nextDue: async (blueprints, kinds) =>
      earliest([
        ...[...timers.values()].map((timer) => timer.dueAt),
        ...[...waking].flatMap((id) => {
          const job = jobs.get(id)
          return job && runs(blueprints, job) ? (job.wakeAt ?? []) : []
        }),
        ...queue.instants(),
        ...records.instants(kinds),
      ]),
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
      workers.set(worker.id, copyJson(worker))
      tell({ workers: [worker.id] })
      return former
    },
    touchWorker: async (touch) => {
      const former = alive(touch.id)
      if (!former) return undefined
      const { record, changed } = touched(former, copyJson(touch))
      workers.set(touch.id, record)
      if (changed) tell({ workers: [touch.id] })
      return copyJson(record)
    },
    removeWorker: async (id) => {
      if (workers.delete(id)) tell({ workers: [id] })
    },
    worker: async (id) => copyJson(alive(id)),
    workers: async () => copyJson([...workers.keys()].flatMap((id) => alive(id) ?? [])),

    putRecords: async (all) => {
      const taken = all.map((record) => records.put(record))
      tellRecords(all.filter((_, at) => taken[at]))
      return taken
    },
    getRecords: async (kind, ids) => ids.map((id) => records.get(kind, id)),
    listRecords: async (query) => records.list(query),
    leaseRecords: async ({ kind, limit, leaseMs }) => records.lease(kind, limit, leaseMs),
    dropRecords: async (kind, ids) => {
      const dropped = ids.filter((id) => records.drop(kind, id))
      if (dropped.length > 0) tell({ records: [kind] })
    },
    draw: async (draws) =>
      draws.map((draw) => {
        const { next, drawn } = drawFrom(budgets.get(draw.key), draw, now())
        budgets.set(draw.key, next)
        return drawn
      }),

    subscribe: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    close: async () => listeners.clear(),
  }

  function tellRecords(changed: { kind: string; dueAt: number | null }[]): void {
    if (changed.length === 0) return
    const dueAt = earliest(changed.flatMap((record) => record.dueAt ?? []))
    tell({ records: [...new Set(changed.map(({ kind }) => kind))], ...(dueAt === null ? {} : { dueAt }) })
  }
}

const runs = (blueprints: BlueprintVersion[], { blueprint, version }: Job): boolean =>
  blueprints.some((each) => each.name === blueprint && each.version === version)

interface News {
  queues: string[]
  jobs: string[]
  revoked: NonNullable<Wakeup['revoked']>
  records: Set<string>
  dues: number[]
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
    .filter((job) => query.createdFrom === undefined || job.createdAt >= query.createdFrom)
    .filter((job) => query.createdBefore === undefined || job.createdAt < query.createdBefore)
    .filter((job) => (query.labels ?? []).every((label) => labelsOf(job).includes(label)))
    .sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1))
    .filter((job) => !after || job.createdAt < after.at || (job.createdAt === after.at && job.id < after.id))
  const found = matching.slice(0, query.limit)
  const last = found.at(-1)
  return {
    jobs: copyJson(found),
    cursor: matching.length > found.length && last ? cursorOf(last) : null,
  }
}
