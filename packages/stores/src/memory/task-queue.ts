/** The tasks of the memory Store: queued, held back behind another task of their key, or leased. */
import type { LeasedTask, LostLease, Task, TaskRequest } from '@tutti/engine'

interface Entry {
  task: Task
  /** Order of arrival: the tie-break among equal priorities. */
  order: number
  state: 'queued' | 'held_back' | 'leased'
  lease: LeasedTask | null
}

export interface TaskQueue {
  enqueue(task: Task): void
  holds(taskId: string, token: string): boolean
  held(worker: string, taskId: string): string | undefined
  /** Hands the task out again later. @returns the worker it was taken from */
  requeue(taskId: string, attempt: number, visibleAt: number): string | undefined
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
  /** Instants at which something here falls due: leases that end, tasks that become visible. */
  instants(): number[]
}

export const createTaskQueue = ({ now, newToken }: { now: () => number; newToken: () => string }): TaskQueue => {
  const entries = new Map<string, Entry>()
  const byJob = new Map<string, Set<string>>()
  const byQueue = new Map<string, Set<Entry>>()
  const leased = new Set<Entry>()
  let arrivals = 0
  let freed: string[] = []

  const makeAvailable = (entry: Entry): void => {
    entry.state = 'queued'
    entry.lease = null
    leased.delete(entry)
    byQueue.set(entry.task.queue, (byQueue.get(entry.task.queue) ?? new Set()).add(entry))
    if (entry.task.visibleAt <= now()) freed.push(entry.task.queue)
  }
  const ofKey = (key: string): Entry[] => [...entries.values()].filter((entry) => entry.task.concurrencyKey === key)

  return {
    enqueue: (task) => {
      const key = task.concurrencyKey
      const blocked = key !== null && ofKey(key).length > 0
      const entry: Entry = { task, order: arrivals++, state: 'held_back', lease: null }
      entries.set(task.id, entry)
      byJob.set(task.jobId, (byJob.get(task.jobId) ?? new Set()).add(task.id))
      if (!blocked) makeAvailable(entry)
    },
    holds: (taskId, token) => entries.get(taskId)?.lease?.token === token,
    held: (worker, taskId) => {
      const lease = entries.get(taskId)?.lease
      return lease?.worker === worker ? lease.token : undefined
    },
    requeue: (taskId, attempt, visibleAt) => {
      const entry = entries.get(taskId)
      if (!entry) return undefined
      const worker = entry.lease?.worker
      entry.task = { ...entry.task, attempt, visibleAt }
      makeAvailable(entry)
      return worker
    },
    close: (taskId) => {
      const entry = entries.get(taskId)
      if (!entry) return undefined
      const { jobId, queue, concurrencyKey } = entry.task
      entries.delete(taskId)
      byJob.get(jobId)?.delete(taskId)
      if (byJob.get(jobId)?.size === 0) byJob.delete(jobId)
      byQueue.get(queue)?.delete(entry)
      leased.delete(entry)
      if (concurrencyKey !== null && entry.state !== 'held_back') {
        const [next] = ofKey(concurrencyKey).sort((a, b) => a.order - b.order)
        if (next) makeAvailable(next)
      }
      return entry.lease ? { taskId, worker: entry.lease.worker } : undefined
    },
    ofJob: (jobId) => [...(byJob.get(jobId) ?? [])],
    lease: ({ worker, queues, max, leaseMs }) => {
      const at = now()
      return [...new Set(queues)]
        .flatMap((queue) => [...(byQueue.get(queue) ?? [])])
        .filter((entry) => entry.task.visibleAt <= at)
        .sort((a, b) => b.task.priority - a.task.priority || a.order - b.order)
        .slice(0, max)
        .map((entry) => {
          const { timeoutMs } = entry.task
          const deadlineAt = timeoutMs === null ? null : at + timeoutMs
          const lease: LeasedTask = {
            task: entry.task,
            worker,
            token: newToken(),
            expiresAt: Math.min(at + leaseMs, deadlineAt ?? Number.POSITIVE_INFINITY),
            deadlineAt,
          }
          entry.state = 'leased'
          entry.lease = lease
          byQueue.get(entry.task.queue)?.delete(entry)
          leased.add(entry)
          return lease
        })
    },
    leaseLost: (limit, leaseMs) => {
      const at = now()
      const lost = [...leased].flatMap(({ lease }) => (lease && lease.expiresAt <= at ? [lease] : [])).slice(0, limit)
      return lost.map((lease) => {
        lease.expiresAt = at + leaseMs
        const timedOut = lease.deadlineAt !== null && lease.deadlineAt <= at
        return {
          jobId: lease.task.jobId,
          taskId: lease.task.id,
          attempt: lease.task.attempt,
          token: lease.token,
          worker: lease.worker,
          reason: timedOut ? 'timed_out' : 'lease_expired',
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
    instants: () => [
      ...[...leased].flatMap(({ lease }) => (lease ? [lease.expiresAt] : [])),
      ...[...byQueue.values()].flatMap((set) =>
        [...set].map((entry) => entry.task.visibleAt).filter((at) => at > now()),
      ),
    ],
  }
}
