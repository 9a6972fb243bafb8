/** The tasks of the memory Store: queued, held back behind others of their key, or leased. */
import type { Change, LeasedTask, LostLease, StoreStats, Task, TaskRequest } from '@tutti/engine'
import { createLane, type Lane, type Waiting } from './lane.ts'

interface Entry extends Waiting {
  state: 'queued' | 'held_back' | 'leased'
  lease: LeasedTask | null
  waitsSince: number
}

export interface TaskQueue {
  enqueue(task: Task): void
  holds(taskId: string, token: string): boolean
  held(worker: string, taskId: string): string | undefined
  /** Hands the task out again later. @returns the worker it was taken from */
  requeue(again: Change['requeue'][number]): string | undefined
  /** Removes the task. @returns the worker it was taken from */
  close(taskId: string): { taskId: string; worker: string } | undefined
  ofJob(jobId: string): string[]
  lease(request: TaskRequest): LeasedTask[]
  leaseLost(limit: number, leaseMs: number): LostLease[]
  renew(worker: string, taskIds: string[] | undefined, leaseMs: number): string[]
  release(taskId: string, token: string): void
  expire(worker: string): void
  /** Queues of the tasks that became available since the last call. */
  takeFreed(): string[]
  queues(): string[]
  stats(client: string | null): StoreStats['queues']
  /** Instants at which something here falls due: leases that end, tasks that become visible, or were not picked up. */
  instants(): number[]
}

/** Who holds a task that no worker took in time. */
const nobody = ''

export const createTaskQueue = ({ now, newToken }: { now: () => number; newToken: () => string }): TaskQueue => {
  const entries = new Map<string, Entry>()
  const byJob = new Map<string, Set<string>>()
  const lanes = new Map<string, Lane<Entry>>()
  /** In the order they were made. */
  const byKey = new Map<string, Set<Entry>>()
  const leased = new Set<Entry>()
  /** Those to be picked up by some instant that still wait. */
  const expecting = new Set<Entry>()
  let arrivals = 0
  let freed: string[] = []

  const wait = (entry: Entry): void => {
    entry.lease = null
    leased.delete(entry)
    if (entry.task.pickupBy !== null) expecting.add(entry)
  }
  const makeAvailable = (entry: Entry): void => {
    wait(entry)
    entry.state = 'queued'
    const lane = lanes.get(entry.task.queue) ?? createLane<Entry>()
    lanes.set(entry.task.queue, lane)
    lane.add(entry)
    if (entry.task.visibleAt <= now()) freed.push(entry.task.queue)
  }
  const take = (entry: Entry, lease: LeasedTask): void => {
    leave(entry)
    entry.state = 'leased'
    entry.lease = lease
    leased.add(entry)
  }
  /** Takes the entry from wherever it waits. */
  const leave = (entry: Entry): void => {
    expecting.delete(entry)
    leased.delete(entry)
    const lane = lanes.get(entry.task.queue)
    if (entry.state === 'queued') lane?.remove(entry)
    if (lane?.all().length === 0) lanes.delete(entry.task.queue)
  }
  /** Opens as many of the held-back tasks as fit: each one's own limit counts when it is the first in line. */
  const openKey = (key: string | null): void => {
    if (key === null) return
    const all = [...(byKey.get(key) ?? [])]
    let open = all.filter((entry) => entry.state !== 'held_back' && entry.lease?.worker !== nobody).length
    for (const entry of all) {
      if (entry.state !== 'held_back') continue
      if (open >= entry.task.concurrencyLimit) return
      makeAvailable(entry)
      open += 1
    }
  }

  return {
    enqueue: (task) => {
      const key = task.concurrencyKey
      const entry: Entry = { task, order: arrivals++, turn: null, state: 'held_back', lease: null, waitsSince: now() }
      entries.set(task.id, entry)
      byJob.set(task.jobId, (byJob.get(task.jobId) ?? new Set()).add(task.id))
      if (key === null) {
        makeAvailable(entry)
        return
      }
      wait(entry)
      byKey.set(key, (byKey.get(key) ?? new Set()).add(entry))
      openKey(key)
    },
    holds: (taskId, token) => entries.get(taskId)?.lease?.token === token,
    held: (worker, taskId) => {
      const lease = entries.get(taskId)?.lease
      return lease?.worker === worker ? lease.token : undefined
    },
    requeue: ({ taskId, attempt, visibleAt, queue, pickupBy = null }) => {
      const entry = entries.get(taskId)
      if (!entry) return undefined
      const worker = entry.lease?.worker
      leave(entry)
      // Turns of different queues have nothing to do with each other.
      if (queue !== undefined && queue !== entry.task.queue) entry.turn = null
      entry.task = { ...entry.task, attempt, visibleAt, pickupBy, queue: queue ?? entry.task.queue }
      entry.waitsSince = now()
      if (entry.state === 'held_back' || (worker === nobody && entry.task.concurrencyKey !== null)) {
        // Its place may have gone to another one: it gets in line again, where it was.
        wait(entry)
        entry.state = 'held_back'
        openKey(entry.task.concurrencyKey)
      } else makeAvailable(entry)
      return worker === nobody ? undefined : worker
    },
    close: (taskId) => {
      const entry = entries.get(taskId)
      if (!entry) return undefined
      const { jobId, concurrencyKey } = entry.task
      leave(entry)
      entries.delete(taskId)
      byJob.get(jobId)?.delete(taskId)
      if (byJob.get(jobId)?.size === 0) byJob.delete(jobId)
      if (concurrencyKey !== null) {
        const ofKey = byKey.get(concurrencyKey)
        ofKey?.delete(entry)
        if (ofKey?.size === 0) byKey.delete(concurrencyKey)
        openKey(concurrencyKey)
      }
      return entry.lease && entry.lease.worker !== nobody ? { taskId, worker: entry.lease.worker } : undefined
    },
    ofJob: (jobId) => [...(byJob.get(jobId) ?? [])],
    lease: ({ worker, queues, max, leaseMs }) => {
      const at = now()
      return [...new Set(queues)]
        .flatMap((queue) => aged(lanes.get(queue)?.best(max, at) ?? []))
        .sort((a, b) => b.entry.task.priority - a.entry.task.priority || a.age - b.age)
        .slice(0, max)
        .map(({ entry }) => {
          const { timeoutMs } = entry.task
          const deadlineAt = timeoutMs === null ? null : at + timeoutMs
          const lease: LeasedTask = {
            task: entry.task,
            worker,
            token: newToken(),
            expiresAt: Math.min(at + leaseMs, deadlineAt ?? Number.POSITIVE_INFINITY),
            deadlineAt,
          }
          lanes.get(entry.task.queue)?.handedOut(entry)
          take(entry, lease)
          return lease
        })
    },
    leaseLost: (limit, leaseMs) => {
      const at = now()
      for (const entry of [...expecting].filter(({ task }) => (task.pickupBy ?? at) <= at).slice(0, limit))
        take(entry, { task: entry.task, worker: nobody, token: newToken(), expiresAt: at, deadlineAt: null })
      const lost = [...leased].flatMap(({ lease }) => (lease && lease.expiresAt <= at ? [lease] : [])).slice(0, limit)
      return lost.map((lease) => {
        lease.expiresAt = at + leaseMs
        return {
          jobId: lease.task.jobId,
          taskId: lease.task.id,
          attempt: lease.task.attempt,
          token: lease.token,
          worker: lease.worker,
          reason: reasonOf(lease, at),
        }
      })
    },
    renew: (worker, taskIds, leaseMs) => {
      const mine = [...leased].flatMap(({ lease }) => (lease?.worker === worker ? [lease] : []))
      const held = mine.filter((lease) => taskIds === undefined || taskIds.includes(lease.task.id))
      for (const lease of held)
        lease.expiresAt = Math.max(
          lease.expiresAt,
          Math.min(now() + leaseMs, lease.deadlineAt ?? Number.POSITIVE_INFINITY),
        )
      return held.map((lease) => lease.task.id)
    },
    release: (taskId, token) => {
      const entry = entries.get(taskId)
      if (entry?.lease?.token === token) makeAvailable(entry)
    },
    expire: (worker) => {
      for (const { lease } of leased) if (lease?.worker === worker) lease.expiresAt = now()
    },
    takeFreed: () => {
      const taken = freed
      freed = []
      return taken
    },
    queues: () => [...new Set([...entries.values()].map(({ task }) => task.queue))],
    stats: (client) => {
      const counts = new Map<string, StoreStats['queues'][number]>()
      for (const { task, lease, waitsSince } of entries.values()) {
        if (client !== null && task.client !== client) continue
        const count = counts.get(task.queue) ?? { queue: task.queue, waiting: 0, leased: 0, oldestAt: null }
        counts.set(task.queue, count)
        if (lease !== null && lease.worker !== nobody) count.leased += 1
        else {
          count.waiting += 1
          count.oldestAt = Math.min(count.oldestAt ?? waitsSince, waitsSince)
        }
      }
      return [...counts.values()]
    },
    instants: () => [
      ...[...leased].flatMap(({ lease }) => (lease ? [lease.expiresAt] : [])),
      ...[...expecting].flatMap(({ task }) => task.pickupBy ?? []),
      ...[...lanes.values()].flatMap((lane) =>
        lane
          .all()
          .map(({ task }) => task.visibleAt)
          .filter((at) => at > now()),
      ),
    ],
  }
}

/**
 * Between queues age decides, and within one nobody may overtake: each counts as no older than those before it. Sorting by
 * that age (and stably) is the same as always taking the oldest of the heads of the queues.
 */
const aged = (best: Entry[]): { entry: Entry; age: number }[] => {
  const oldest = new Map<number, number>()
  return best.map((entry) => {
    const { priority } = entry.task
    const age = Math.max(entry.order, oldest.get(priority) ?? 0)
    oldest.set(priority, age)
    return { entry, age }
  })
}

const reasonOf = (lease: LeasedTask, at: number): LostLease['reason'] => {
  if (lease.worker === nobody) return 'not_picked_up'
  return lease.deadlineAt !== null && lease.deadlineAt <= at ? 'timed_out' : 'lease_expired'
}
