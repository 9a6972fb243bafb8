/**
 * Handing tasks to workers. Tasks wait in the Store; polls that found none are parked here until news of a task comes.
 * What it costs does not grow with the number of parked polls: news of n tasks wakes n of them.
 */

import type { TakeRequest } from '../engine.ts'
import type { LeasedTask, TaskRequest } from '../job/task.ts'
import type { After } from './after.ts'

export interface HandOutDeps {
  after: After
  /** Batched by the caller, so that many polls share a round trip. */
  lease: (request: TaskRequest) => Promise<LeasedTask[]>
  release: (leases: LeasedTask[]) => Promise<void>
  leaseMs: number
  /** How often a parked poll looks for itself, should every wake-up be lost. */
  safetyIntervalMs: number
}

export interface HandOut {
  take(request: TakeRequest): Promise<LeasedTask[]>
  /** News: so many tasks of a skill became available. */
  wake(skill: string, count: number): void
  /** Something may be available, nobody knows what: wakes one poll per set of skills, and more as long as they find work. */
  wakeSome(): void
  /** Answers all polls with nothing; resolves when what the Store still chose for them is given back. */
  stop(): Promise<void>
}

interface Poll {
  request: TakeRequest
  leaseMs: number
  /** What the poll can do, as one text: polls of the same kind stand in for one another. */
  kind: string
  parked: boolean
  /** How many tasks the next look may take: when n tasks come for m parked polls, one must not take them all. */
  share: number
  /**
   * News that came while the poll was looking, each as what passes it on to another poll. The poll looks again before it is
   * parked; if it is answered first, somebody else must look, or the task would wait for the safety look.
   */
  news: (() => void)[]
  settle: (leases: LeasedTask[]) => void
  settled: boolean
}

export const createHandOut = (deps: HandOutDeps): HandOut => {
  const polls = new Set<Poll>()
  const looking = new Set<Promise<void>>()
  let stopped = false

  const look = async (poll: Poll): Promise<void> => {
    poll.parked = false
    do {
      const heard = poll.news.splice(0)
      const { worker, skills: queues = [] } = poll.request
      const max = Math.min(poll.request.max, poll.share)
      poll.share = Number.POSITIVE_INFINITY
      const leases = await deps.lease({ worker, queues, max, leaseMs: poll.leaseMs })
      if (leases.length > 0) {
        if (poll.settled) {
          // The asker has gone while the Store was choosing: nobody would ever work on these.
          await deps.release(leases)
          return
        }
        // It may have been told of more than it took.
        poll.news.push(...heard)
        poll.settle(leases)
        wakeKind(poll.kind, 1)
        return
      }
    } while (poll.news.length > 0 && !poll.settled)
    poll.parked = true
    // To the back of the line: the next news is for somebody else.
    if (polls.delete(poll)) polls.add(poll)
  }
  const tracked = (poll: Poll): Promise<void> => {
    const work = look(poll).finally(() => looking.delete(work))
    looking.add(work)
    return work
  }

  const start = (poll: Poll, passOn: () => void): void => {
    if (!poll.parked) {
      poll.news.push(passOn)
      return
    }
    tracked(poll).catch(() => {
      // The Store can't be reached. The safety look tries again; failing the poll would only make the worker ask at once.
      poll.parked = true
    })
  }

  const wakeWhere = (count: number, fits: (poll: Poll) => boolean): void => {
    const chosen: Poll[] = []
    for (const poll of polls) {
      if (stopped || chosen.length >= count) break
      if (fits(poll)) chosen.push(poll)
    }
    for (const poll of chosen) {
      if (poll.parked) poll.share = Math.ceil(count / chosen.length)
      start(poll, () => wakeWhere(1, fits))
    }
  }
  const wakeKind = (kind: string, count: number): void => wakeWhere(count, (poll) => poll.kind === kind)

  return {
    take: (request) =>
      new Promise((resolve, reject) => {
        const stops: (() => void)[] = []
        const poll: Poll = {
          request,
          leaseMs: request.leaseMs ?? deps.leaseMs,
          kind: [...(request.skills ?? [])].sort().join('\n'),
          parked: false,
          share: Number.POSITIVE_INFINITY,
          news: [],
          settled: false,
          settle: (leases) => {
            if (poll.settled) return
            poll.settled = true
            polls.delete(poll)
            request.signal?.removeEventListener('abort', gone)
            for (const stop of stops) stop()
            resolve(leases)
            for (const passOn of poll.news.splice(0)) passOn()
          },
        }
        const gone = (): void => poll.settle([])
        if (stopped || request.signal?.aborted) {
          resolve([])
          return
        }
        request.signal?.addEventListener('abort', gone)
        polls.add(poll)
        tracked(poll).then(
          () => {
            if (poll.settled) return
            if (request.waitMs <= 0) {
              poll.settle([])
              return
            }
            stops.push(deps.after(request.waitMs, () => poll.settle([])))
            const safety = (): void => {
              stops.push(
                deps.after(deps.safetyIntervalMs, () => {
                  start(poll, () => {})
                  safety()
                }),
              )
            }
            safety()
          },
          (error: unknown) => {
            // First, so that the caller gets the error and not the empty answer that clears the poll away.
            reject(error)
            poll.settle([])
          },
        )
      }),
    wake: (skill, count) => wakeWhere(count, (poll) => poll.request.skills?.includes(skill) === true),
    wakeSome: () => {
      for (const kind of new Set([...polls].map((poll) => poll.kind))) wakeKind(kind, 1)
    },
    stop: async () => {
      stopped = true
      for (const poll of [...polls]) poll.settle([])
      await Promise.allSettled(looking)
    },
  }
}
