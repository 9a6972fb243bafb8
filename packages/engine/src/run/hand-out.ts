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
  /** Answers all parked polls with nothing. */
  stop(): void
}

interface Poll {
  request: TakeRequest
  leaseMs: number
  /** What the poll can do, as one text: polls of the same kind stand in for one another. */
  kind: string
  parked: boolean
  /** News came while the poll was looking: it must look again before it is parked. */
  again: boolean
  settle: (leases: LeasedTask[]) => void
  settled: boolean
}

export const createHandOut = (deps: HandOutDeps): HandOut => {
  const polls = new Set<Poll>()

  const look = async (poll: Poll): Promise<void> => {
    poll.parked = false
    do {
      poll.again = false
      const { worker, skills, max } = poll.request
      const leases = await deps.lease({ worker, skills, max, leaseMs: poll.leaseMs })
      if (leases.length > 0) {
        if (poll.settled) {
          // The asker has gone while the Store was choosing: nobody would ever work on these.
          await deps.release(leases)
          return
        }
        poll.settle(leases)
        wakeKind(poll.kind, 1)
        return
      }
    } while (poll.again && !poll.settled)
    poll.parked = true
    // To the back of the line: the next news is for somebody else.
    if (polls.delete(poll)) polls.add(poll)
  }

  const start = (poll: Poll): void => {
    if (!poll.parked) {
      poll.again = true
      return
    }
    look(poll).catch(() => {
      // The Store can't be reached. The safety look tries again; failing the poll would only make the worker ask at once.
      poll.parked = true
    })
  }

  const wakeKind = (kind: string, count: number): void => {
    let left = count
    for (const poll of [...polls]) {
      if (left === 0) return
      if (poll.kind !== kind) continue
      start(poll)
      left -= 1
    }
  }

  return {
    take: (request) =>
      new Promise((resolve, reject) => {
        const stops: (() => void)[] = []
        const poll: Poll = {
          request,
          leaseMs: request.leaseMs ?? deps.leaseMs,
          kind: [...request.skills].sort().join('\n'),
          parked: false,
          again: false,
          settled: false,
          settle: (leases) => {
            if (poll.settled) return
            poll.settled = true
            polls.delete(poll)
            request.signal?.removeEventListener('abort', gone)
            for (const stop of stops) stop()
            resolve(leases)
          },
        }
        const gone = (): void => poll.settle([])
        if (request.signal?.aborted) {
          resolve([])
          return
        }
        request.signal?.addEventListener('abort', gone)
        polls.add(poll)
        const first = look(poll)
        first.then(
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
                  start(poll)
                  safety()
                }),
              )
            }
            safety()
          },
          (error: unknown) => {
            poll.settle([])
            reject(error)
          },
        )
      }),
    wake: (skill, count) => {
      let left = count
      for (const poll of [...polls]) {
        if (left === 0) return
        if (!poll.request.skills.includes(skill)) continue
        start(poll)
        left -= 1
      }
    },
    wakeSome: () => {
      const seen = new Set<string>()
      for (const poll of [...polls]) {
        if (seen.has(poll.kind)) continue
        seen.add(poll.kind)
        start(poll)
      }
    },
    stop: () => {
      for (const poll of [...polls]) poll.settle([])
    },
  }
}
