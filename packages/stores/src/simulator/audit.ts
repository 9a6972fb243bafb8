/** Watches everything that reaches the Store and throws at the first promise that is broken. */
import { isTerminal } from '@tutti/contracts'
import type { Change, Job, JobEvent, LeasedTask, Store, Task } from '@tutti/engine'

export class BrokenPromise extends Error {
  override readonly name = 'BrokenPromise'
}

export interface Audit {
  store: Store
  jobs: Map<string, Job>
  logs: Map<string, JobEvent[]>
  /** Tasks that are open: enqueued, and not closed yet. */
  open: Map<string, Task>
  /** The first promise that was broken, if any. */
  broken(): BrokenPromise | undefined
}

export const audit = (store: Store): Audit => {
  const jobs = new Map<string, Job>()
  const logs = new Map<string, JobEvent[]>()
  const open = new Map<string, Task>()
  const leases = new Map<string, LeasedTask>()
  let fault: BrokenPromise | undefined
  const demand = (holds: boolean, message: () => string): void => {
    if (!holds) fault ??= new BrokenPromise(message())
  }

  const accepted = (change: Change): void => {
    const { job } = change
    const former = jobs.get(job.id)
    demand(!former || !isTerminal(former.status), () => `the terminal job ${job.id} was changed to ${job.status}`)
    demand(job.rev > (former?.rev ?? 0), () => `job ${job.id} went from revision ${former?.rev} to ${job.rev}`)
    note(job, change.events)
    for (const [taskId, token] of change.fences)
      demand(leases.get(taskId)?.token === token, () => `a late holder's result of ${taskId} was accepted`)
    for (const entry of change.requeue) leases.delete(entry.taskId)
    for (const taskId of change.close) shut(taskId)
    for (const task of change.enqueue) {
      demand(!open.has(task.id), () => `task ${task.id} was enqueued twice`)
      open.set(task.id, task)
    }
    if (isTerminal(job.status)) for (const task of [...open.values()]) if (task.jobId === job.id) shut(task.id)
    for (const child of change.spawn) if (!jobs.has(child.job.id)) note(child.job, child.events)
  }
  const note = (job: Job, events: JobEvent[]): void => {
    const log = logs.get(job.id) ?? []
    for (const event of events) {
      demand(event.seq === log.length + 1, () => `the log of ${job.id} has ${event.seq} after ${log.length}`)
      log.push(event)
    }
    demand(job.seq === log.length, () => `job ${job.id} says seq ${job.seq}, its log has ${log.length} lines`)
    logs.set(job.id, log)
    jobs.set(job.id, structuredClone(job))
  }
  const shut = (taskId: string): void => {
    open.delete(taskId)
    leases.delete(taskId)
  }
  const leased = (lease: LeasedTask): void => {
    const { task } = lease
    demand(open.has(task.id), () => `task ${task.id} was handed out after it was closed`)
    demand(
      !leases.has(task.id),
      () => `task ${task.id} was handed to ${lease.worker} while ${leases.get(task.id)?.worker} held it`,
    )
    demand(task.visibleAt <= store.now(), () => `task ${task.id} was handed out before its back-off was over`)
    if (task.concurrencyKey !== null)
      for (const other of leases.values())
        demand(
          other.task.concurrencyKey !== task.concurrencyKey,
          () => `two tasks of the key ${task.concurrencyKey} are open`,
        )
    leases.set(task.id, lease)
  }

  return {
    jobs,
    logs,
    open,
    broken: () => fault,
    store: {
      ...store,
      commit: async (changes) => {
        const outcomes = await store.commit(changes)
        outcomes.forEach((outcome, at) => {
          if (outcome.accepted) accepted(changes[at] as Change)
        })
        return outcomes
      },
      leaseTasks: async (requests) => {
        const answers = await store.leaseTasks(requests)
        for (const lease of answers.flat()) leased(lease)
        return answers
      },
      leaseJobs: async (request) => {
        const taken = await store.leaseJobs(request)
        for (const job of taken) jobs.set(job.id, { ...(jobs.get(job.id) ?? job), rev: job.rev, wakeAt: job.wakeAt })
        return taken
      },
      release: async (given) => {
        await store.release(given)
        for (const [taskId, token] of given) if (leases.get(taskId)?.token === token) leases.delete(taskId)
      },
    },
  }
}
