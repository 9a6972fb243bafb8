/**
 * Handing tasks to workers. Tasks wait in the Store; polls that found none are parked here until news of a task comes.
 * What it costs does not grow with the number of parked polls: news of n tasks wakes n of them.
 */
import { TuttiError } from '@tutti/contracts'
import type { TakeRequest } from '../engine.ts'
import type { HeldTask, LeasedTask } from '../job/task.ts'
import type { After } from '../run/after.ts'
import type { Worker } from '../workers/worker.ts'
import type { Ask } from './ask.ts'
import type { KnownQueue, KnownQueues } from './known-queues.ts'
import { createLine } from './line.ts'
import type { Matching } from './matching.ts'
import { chooseWorkers, isWarm } from './strategy.ts'

export interface HandOutDeps {
  after: After
  /** The worker as it is known here. */
  find: (id: string) => Promise<Worker | undefined>
  peek: (id: string) => Worker | undefined
  /** Told of each sign of life. */
  seen: (worker: Worker) => void
  queues: Pick<KnownQueues, 'add' | 'get' | 'all' | 'refresh'>
  matching: Pick<Matching, 'queuesFor' | 'mayTake' | 'onlyFor'>
  ask: (ask: Ask) => Promise<LeasedTask[]>
  release: (leases: HeldTask[]) => Promise<void>
  /** Tasks in the hands of a worker, as far as is known here. */
  held: (worker: string) => number
  overflowLimit: number
  leaseMs: number
  /** How often a parked poll looks for itself, should every wake-up be lost. */
  safetyIntervalMs: number
}

export interface HandOut {
  /** @throws TuttiError WORKER_NOT_FOUND */
  take(request: TakeRequest): Promise<LeasedTask[]>
  /** News: so many tasks of a queue became available. */
  wake(queue: string, count: number): void
  /** Something may be available, nobody knows what: wakes polls until each queue has one, and more as long as they find work. */
  wakeSome(): void
  /** The same for the queues of one skill. */
  wakeSkill(skill: string): void
  /** What the worker may take has changed, or it has left. */
  changed(worker: string): void
  /** Answers all polls with nothing; resolves when what the Store still chose for them is given back. */
  stop(): Promise<void>
}

interface Poll {
  request: TakeRequest
  leaseMs: number
  parked: boolean
  /** From which it took at its last look. */
  queues: string[]
  /** How many tasks the next look may take: when n tasks come for m parked polls, one must not take them all. */
  share: number
  /**
   * News that came while the poll was looking, each as what passes it on to another poll. The poll looks again before it is
   * parked; if it is answered first, somebody else must look, or the task would wait for the safety look.
   */
  news: (() => void)[]
  settle: (leases: LeasedTask[]) => void
  settled: boolean
  /** Its time was over while it looked: it has what it finds, and is not parked again. Else a task just chosen for it would have to go back. */
  due: boolean
}

/** Of workers that can do the same, so many more than are needed are compared: those that have waited longest. */
const spareCandidates = 64

export const createHandOut = (deps: HandOutDeps): HandOut => {
  const { queues, matching, peek } = deps
  const polls = new Set<Poll>()
  const line = createLine<Poll>()
  const looking = new Set<Promise<void>>()
  let stopped = false

  /** @param passOn the news that it looks because of, if any */
  const look = async (poll: Poll, passOn?: () => void): Promise<void> => {
    poll.parked = false
    do {
      const heard = poll.news.splice(0)
      const worker = await known(poll)
      if (poll.settled) {
        // The asker has gone before the Store was asked: somebody else must look.
        for (const each of [...heard, ...(passOn ? [passOn] : [])]) each()
        return
      }
      const max = Math.min(poll.request.max, poll.share)
      poll.share = Number.POSITIVE_INFINITY
      stand(poll, worker)
      const { perSkill = {} } = poll.request
      const leases =
        poll.queues.length === 0 || max <= 0
          ? []
          : await deps.ask({ worker: worker.id, queues: poll.queues, perSkill, max, leaseMs: poll.leaseMs })
      if (leases.length > 0) {
        if (poll.settled) {
          // The asker has gone while the Store was choosing: nobody would ever work on these.
          await deps.release(leases)
          return
        }
        // It may have been told of more than it took.
        poll.news.push(...heard)
        poll.settle(leases)
        wakeEach(poll.queues)
        return
      }
    } while (poll.news.length > 0 && !poll.settled && !poll.due)
    park(poll)
  }
  const park = (poll: Poll): void => {
    poll.parked = true
    if (poll.due) poll.settle([])
  }
  const known = async ({ request }: Poll): Promise<Worker> => {
    const [worker] = await Promise.all([deps.find(request.worker), queues.refresh()])
    if (!worker) throw new TuttiError('WORKER_NOT_FOUND', 'Worker not found')
    deps.seen(worker)
    return worker
  }
  /** To the back of the line: the next news is for somebody else. */
  const stand = (poll: Poll, worker: Worker): void => {
    const offered = Object.keys(worker.capabilities.offers)
    const asked = poll.request.skills
    const skills = asked ? offered.filter((skill) => asked.includes(skill)) : offered
    poll.queues = matching.queuesFor(worker, skills)
    line.put(poll, { worker: worker.id, capabilities: worker.capabilities, skills })
  }
  const tracked = (poll: Poll, passOn?: () => void): Promise<void> => {
    const work = look(poll, passOn).finally(() => looking.delete(work))
    looking.add(work)
    return work
  }

  const start = (poll: Poll, passOn: () => void): void => {
    if (!poll.parked) {
      poll.news.push(passOn)
      return
    }
    tracked(poll, passOn).catch((error: unknown) => {
      if (error instanceof TuttiError && error.code === 'WORKER_NOT_FOUND') poll.settle([])
      // The Store can't be reached. The safety look tries again; failing the poll would only make the worker ask at once.
      park(poll)
    })
  }

  /** The polls that are to look for n tasks of the queue, by its strategy. */
  const choose = (queue: KnownQueue, n: number): Poll[] => {
    const candidates = [...eligible(queue, n + spareCandidates)].map(({ poll, worker }) => ({
      poll,
      warm: isWarm(queue, worker.condition),
      price: worker.capabilities.offers[queue.skill]?.price ?? null,
      reputation: worker.reputation,
      // Its own count and this instance's are of the same tasks.
      held: Math.max(deps.held(worker.id), worker.condition.load),
      place: line.place(poll),
    }))
    return chooseWorkers(queue.strategy, candidates, n, deps.overflowLimit).map((candidate) => candidate.poll)
  }
  const eligible = function* (queue: KnownQueue, perGroup: number): Iterable<{ poll: Poll; worker: Worker }> {
    const only = matching.onlyFor(queue)
    const groups: Iterable<Iterable<Poll>> = only ? only.map((id) => line.ofWorker(id)) : groupsFor(queue)
    for (const group of groups) {
      let found = 0
      for (const poll of group) {
        const worker = peek(poll.request.worker)
        if (!worker || !matching.mayTake(queue, worker)) continue
        if (poll.request.skills?.includes(queue.skill) === false) continue
        yield { poll, worker }
        found += 1
        if (found >= perGroup) break
      }
    }
  }
  const groupsFor = function* (queue: KnownQueue): Iterable<Iterable<Poll>> {
    for (const [capabilities, group] of line.groups(queue.skill)) if (queue.whyUnfit(capabilities) === null) yield group
  }

  const wake = (name: string, count: number): void => {
    const queue = queues.add(name)
    if (!queue || stopped || line.size() === 0) return
    const chosen = choose(queue, count)
    for (const poll of chosen) {
      if (poll.parked) poll.share = Math.ceil(count / chosen.length)
      start(poll, () => wake(name, 1))
    }
  }
  /** One poll for each of the queues; a poll that looks into several counts for all of them. */
  const wakeEach = (names: string[]): void => {
    if (stopped || line.size() === 0) return
    const covered = new Set<string>()
    for (const name of names) {
      const queue = covered.has(name) ? undefined : queues.get(name)
      const [poll] = queue ? choose(queue, 1) : []
      if (!poll) continue
      for (const each of poll.queues) covered.add(each)
      if (poll.parked) poll.share = 1
      start(poll, () => wakeEach(names))
    }
  }

  return {
    take: (request) =>
      new Promise((resolve, reject) => {
        const stops: (() => void)[] = []
        const poll: Poll = {
          request,
          leaseMs: request.leaseMs ?? deps.leaseMs,
          parked: false,
          queues: [],
          share: Number.POSITIVE_INFINITY,
          news: [],
          settled: false,
          due: false,
          settle: (leases) => {
            if (poll.settled) return
            poll.settled = true
            polls.delete(poll)
            line.remove(poll)
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
            const over = (): void => {
              poll.due = true
              if (poll.parked) poll.settle([])
            }
            stops.push(deps.after(request.waitMs, over))
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
    wake,
    wakeSome: () => {
      const names = new Set([...queues.all()].map((queue) => queue.name))
      for (const skill of line.skills()) names.add(skill)
      wakeEach([...names])
    },
    wakeSkill: (skill) => {
      const names = [...queues.all()].filter((queue) => queue.skill === skill).map((queue) => queue.name)
      wakeEach([...new Set([skill, ...names])])
    },
    changed: (id) => {
      for (const poll of [...line.ofWorker(id)]) start(poll, () => {})
    },
    stop: async () => {
      stopped = true
      for (const poll of [...polls]) poll.settle([])
      await Promise.allSettled(looking)
    },
  }
}
