/**
 * Watches everything that reaches the Store and keeps the first promise that is broken. It sees when a call is sent and when its
 * answer comes, and judges by what must have happened between: so it is right for a Store with many connections, too.
 */
import { isTerminal } from '@tutti/contracts'
import type { Change, Job, JobEvent, LeasedTask, Store } from '@tutti/engine'

export class BrokenPromise extends Error {
  override readonly name = 'BrokenPromise'
}

export interface Audit {
  store: Store
  jobs: Map<string, Job>
  logs: Map<string, JobEvent[]>
  /** Every change that was accepted, as `job id/rev`. */
  accepted: Set<string>
  /** Jobs that were purged. */
  purged: Set<string>
  /** The most tasks of one key that were surely in workers' hands at a time. */
  mostOfKey(): number
  notPickedUp(): number
  /** The first promise that was broken, if any. */
  broken(): BrokenPromise | undefined
}

export const audit = (store: Store, { exact }: { exact: boolean }): Audit => {
  const jobs = new Map<string, Job>()
  const logs = new Map<string, JobEvent[]>()
  const accepted = new Set<string>()
  const purged = new Set<string>()
  /** In workers' hands: from the answer that gave them until a call is sent that may end it. */
  const held = new Map<string, LeasedTask>()
  const tasksOf = new Map<string, Set<string>>()
  const tokens = new Map<string, { token: string; sent: number }>()
  const firstSent = new Map<string, number>()
  /** When a call was sent that may end a task's lease; when one that closed it was known to be accepted. */
  const ending = new Map<string, number>()
  const closed = new Map<string, number>()
  const givenUp = new Set<string>()
  /** How far the estimate of a remote clock may be off. */
  const clockErrorMs = exact ? 0 : 200
  let clock = 0
  let most = 0
  let fault: BrokenPromise | undefined
  const demand = (holds: boolean, message: () => string): void => {
    if (!holds) fault ??= new BrokenPromise(message())
  }

  /** The tasks whose leases the change ends, if it is accepted. */
  const endedBy = ({ job, close, requeue }: Change): string[] => [
    ...close,
    ...requeue.map(({ taskId }) => taskId),
    ...(isTerminal(job.status) ? (tasksOf.get(job.id) ?? []) : []),
  ]
  const take = (change: Change, late: string[]): void => {
    const { job } = change
    const former = jobs.get(job.id)
    const newer = !former || job.rev > former.rev
    if (newer)
      demand(!former || !isTerminal(former.status), () => `the terminal job ${job.id} was changed to ${job.status}`)
    if (exact) demand(newer, () => `job ${job.id} went from revision ${former?.rev} to ${job.rev}`)
    demand(late.length === 0, () => `a late holder's result of ${late[0]} was accepted`)
    accepted.add(`${job.id}/${job.rev}`)
    note(job, change.events)
    for (const taskId of change.close) closed.set(taskId, clock)
    if (isTerminal(job.status)) for (const taskId of tasksOf.get(job.id) ?? []) closed.set(taskId, clock)
    // Known by its first line: the answer to the child's own first change may have come before this one.
    for (const { job: child, events } of change.spawn)
      if (!logs.get(child.id)?.some(({ seq }) => seq === events[0]?.seq)) note(child, events)
  }
  const note = (job: Job, events: JobEvent[]): void => {
    const log = logs.get(job.id) ?? []
    logs.set(job.id, log)
    for (const event of events) {
      if (exact) demand(event.seq === log.length + 1, () => `the log of ${job.id} has ${event.seq} after ${log.length}`)
      log.push(event)
    }
    if (exact)
      demand(job.seq === log.length, () => `job ${job.id} says seq ${job.seq}, its log has ${log.length} lines`)
    log.sort((a, b) => a.seq - b.seq)
    if (job.rev > (jobs.get(job.id)?.rev ?? 0)) jobs.set(job.id, structuredClone(job))
  }
  /**
   * A token is as old as the call that first told of it. A look for lost leases tells of old ones again, and on several connections its
   * answer may come from before a hand-out that was asked for earlier.
   */
  const know = (taskId: string, token: string, sent: number): void => {
    const first = firstSent.get(token) ?? sent
    firstSent.set(token, first)
    if ((tokens.get(taskId)?.sent ?? 0) <= first) tokens.set(taskId, { token, sent: first })
  }
  const leased = (lease: LeasedTask, sent: number): void => {
    const { task } = lease
    demand((closed.get(task.id) ?? sent) >= sent, () => `task ${task.id} was handed out after it was closed`)
    demand(
      task.visibleAt <= store.now() + clockErrorMs,
      () => `task ${task.id} was handed out before its back-off was over`,
    )
    know(task.id, lease.token, sent)
    // Somebody may have ended this lease before its answer came.
    if (Math.max(ending.get(task.id) ?? 0, ending.get(task.jobId) ?? 0) >= sent) return
    const other = held.get(task.id)
    demand(!other, () => `task ${task.id} was handed to ${lease.worker} while ${other?.worker} held it`)
    held.set(task.id, lease)
    const { concurrencyKey: key, concurrencyLimit: limit } = task
    if (key === null) return
    const ofKey = [...held.values()].filter((each) => each.task.concurrencyKey === key).length
    most = Math.max(most, ofKey)
    demand(ofKey <= limit, () => `${ofKey} tasks of the key ${key} are in workers' hands, and ${limit} may be`)
  }

  return {
    jobs,
    logs,
    accepted,
    purged,
    mostOfKey: () => most,
    notPickedUp: () => givenUp.size,
    broken: () => fault,
    store: {
      ...store,
      commit: async (changes) => {
        clock += 1
        const sent = clock
        const late = changes.map(({ fences }) =>
          fences.filter(([id, token]) => (tokens.get(id)?.token ?? token) !== token).map(([id]) => id),
        )
        const suspended = changes.map((change) => {
          for (const task of change.enqueue)
            tasksOf.set(task.jobId, (tasksOf.get(task.jobId) ?? new Set()).add(task.id))
          const ends = endedBy(change)
          if (isTerminal(change.job.status)) ending.set(change.job.id, sent)
          const leases = ends.flatMap((id) => held.get(id) ?? [])
          for (const id of ends) {
            ending.set(id, sent)
            held.delete(id)
          }
          return leases
        })
        const outcomes = await store.commit(changes)
        clock += 1
        outcomes.forEach((outcome, at) => {
          if (outcome.accepted) take(changes[at] as Change, late[at] ?? [])
          // Refused: nothing has ended. Where answers overtake each other this can't be told, and is passed over.
          else if (exact) for (const lease of suspended[at] ?? []) held.set(lease.task.id, lease)
        })
        return outcomes
      },
      leaseTasks: async (requests) => {
        clock += 1
        const sent = clock
        const answers = await store.leaseTasks(requests)
        for (const lease of answers.flat()) leased(lease, sent)
        return answers
      },
      leaseTimers: async (request) => {
        clock += 1
        const sent = clock
        const due = await store.leaseTimers(request)
        for (const { taskId, token, worker, reason } of due.lost) {
          know(taskId, token, sent)
          demand((worker === '') === (reason === 'not_picked_up'), () => `${taskId} was lost by ${worker}: ${reason}`)
          if (reason === 'not_picked_up') givenUp.add(taskId)
        }
        return due
      },
      leaseJobs: async (request) => {
        const taken = await store.leaseJobs(request)
        for (const job of taken) {
          const known = jobs.get(job.id) ?? job
          if (job.rev >= known.rev) jobs.set(job.id, { ...known, rev: job.rev, wakeAt: job.wakeAt })
        }
        return taken
      },
      release: async (given) => {
        clock += 1
        for (const [taskId, token] of given)
          if (held.get(taskId)?.token === token) {
            held.delete(taskId)
            ending.set(taskId, clock)
          }
        await store.release(given)
      },
      purge: async (request) => {
        const ids = await store.purge(request)
        for (const id of ids) {
          purged.add(id)
          demand(isTerminal(jobs.get(id)?.status ?? 'running'), () => `the job ${id} was purged while it ran`)
        }
        return ids
      },
    },
  }
}
