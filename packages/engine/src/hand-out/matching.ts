/**
 * Who may take from which queue, all workers considered. Three rules beyond "it fits":
 *
 * - a worker that is drained, or leaving, takes nothing;
 * - a worker of low reputation takes only what no trusted one could: it is the second choice, and no task waits for ever because of it;
 * - a queue that names workers is theirs for as long as one of them could take it; then it is anybody's.
 */
import type { Directory } from '../workers/directory.ts'
import { isLeaving, type Worker } from '../workers/worker.ts'
import type { KnownQueue, KnownQueues } from './known-queues.ts'

export interface MatchingDeps {
  queues: KnownQueues
  directory: Directory
  /** Reputation below which a worker is the second choice. */
  minimum: number
  now: () => number
}

export interface Matching {
  /** Names of the queues of these skills from which the worker may take. */
  queuesFor(worker: Worker, skills: string[]): string[]
  mayTake(queue: KnownQueue, worker: Worker): boolean
  /** The workers that alone may take, where they are few and named; null: whoever fits. */
  onlyFor(queue: KnownQueue): string[] | null
  /** Why the worker takes nothing from the queue, as the end of a sentence; null when it may. */
  whyNot(queue: KnownQueue, worker: Worker): string | null
}

/** Workers also expire without news: what was judged of all of them is judged again after this time. */
const judgedMs = 1_000

export const createMatching = ({ queues, directory, minimum, now }: MatchingDeps): Matching => {
  interface Pool {
    version: number
    until: number
    ids: Set<string>
    named: boolean
  }
  interface List {
    stamp: string
    until: number
    names: string[]
  }
  const pools = new WeakMap<KnownQueue, Pool>()
  const lists = new WeakMap<Worker, Map<string, List>>()
  const trusted = (worker: Worker): boolean => worker.reputation >= minimum
  const names = (ids: string[] | undefined): string => (ids ?? []).join(', ')

  /** All who may take: the best of those who could. */
  const poolOf = (queue: KnownQueue): Pool => {
    const known = pools.get(queue)
    if (known && known.version === directory.version() && known.until > now()) return known
    const able = directory.all().filter((worker) => whyUnable(queue, worker) === null)
    const best = orElse(able.filter(trusted), able)
    const named = best.filter((worker) => queue.needs.workers?.includes(worker.id))
    const pool: Pool = {
      version: directory.version(),
      until: now() + judgedMs,
      ids: new Set(orElse(named, best).map((worker) => worker.id)),
      named: named.length > 0,
    }
    pools.set(queue, pool)
    return pool
  }
  /** Whether it takes a look at the other workers to judge. */
  const depends = (queue: KnownQueue, worker: Worker): boolean => queue.needs.workers !== undefined || !trusted(worker)
  const mayTake = (queue: KnownQueue, worker: Worker): boolean =>
    whyUnable(queue, worker) === null && (!depends(queue, worker) || poolOf(queue).ids.has(worker.id))

  const listFor = (worker: Worker, skill: string): List => {
    const known = [...queues.of(skill)]
    const own = known.filter((queue) => mayTake(queue, worker))
    const stays = known.every((queue) => !depends(queue, worker))
    return {
      stamp: stampOf(skill),
      until: stays ? Number.POSITIVE_INFINITY : now() + judgedMs,
      names: own.map((queue) => queue.name),
    }
  }
  const stampOf = (skill: string): string => `${queues.version(skill)} ${directory.version()}`

  return {
    queuesFor: (worker, skills) => {
      const remembered = lists.get(worker) ?? new Map<string, List>()
      lists.set(worker, remembered)
      return skills.flatMap((skill) => {
        const known = remembered.get(skill)
        const list = known && known.stamp === stampOf(skill) && known.until > now() ? known : listFor(worker, skill)
        remembered.set(skill, list)
        return list.names
      })
    },
    mayTake,
    onlyFor: (queue) => {
      if (queue.needs.workers === undefined) return null
      const pool = poolOf(queue)
      return pool.named ? [...pool.ids] : null
    },
    whyNot: (queue, worker) => {
      const why = whyUnable(queue, worker)
      if (why !== null || mayTake(queue, worker)) return why
      const { needs } = queue
      if (needs.workers && !needs.workers.includes(worker.id) && poolOf(queue).named)
        return `is not one of the workers named: ${names(needs.workers)}`
      return `has a reputation of ${worker.reputation}, and others of at least ${minimum} could do it`
    },
  }
}

const whyUnable = (queue: KnownQueue, worker: Worker): string | null => {
  if (worker.drained) return 'is drained'
  if (isLeaving(worker)) return 'is about to leave'
  if (queue.needs.notWorkers?.includes(worker.id)) return 'is excluded by name'
  return queue.whyUnfit(worker.capabilities)
}

const orElse = <T>(first: T[], second: T[]): T[] => (first.length > 0 ? first : second)
