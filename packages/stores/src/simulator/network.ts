/**
 * The Store as one instance reaches it: calls are delayed and so overtake each other, fail before or after they took
 * effect, and never come back once the instance is dead. News is delayed, doubled and lost.
 */
import type { Store } from '@tutti/engine'
import type { Random } from './random.ts'
import type { World } from './world.ts'

export interface Faults {
  /** Probability that a call fails without, and with, having taken effect. */
  failBefore: number
  failAfter: number
  loseNews: number
  doubleNews: number
  /** Longest usual delay of a call or an answer, in milliseconds; one in fifty takes up to a hundred times as long. */
  delayMs: number
}

export const noFaults: Faults = { failBefore: 0, failAfter: 0, loseNews: 0, doubleNews: 0, delayMs: 2 }

/** What belongs to one process and dies with it. */
export interface Life {
  alive: boolean
}

/** A new one each time: waiting for one that all share would keep every dead instance in memory until the last seed. */
const never = (): Promise<never> => new Promise(() => {})

export const overNetwork = (
  store: Store,
  { world, random, faults, life }: { world: World; random: Random; faults: () => Faults; life: Life },
): Store => {
  const delay = async (): Promise<void> => {
    const { delayMs } = faults()
    await world.sleep(random.next() * delayMs * (random.chance(0.02) ? 100 : 1))
    if (!life.alive) await never()
  }
  const call = <A extends unknown[], R>(operation: (...args: A) => Promise<R>) => {
    return async (...args: A): Promise<R> => {
      if (!life.alive) return never()
      // What is sent is sent: the caller may go on changing its own objects.
      const sent = structuredClone(args)
      const { failBefore, failAfter } = faults()
      await delay()
      if (random.chance(failBefore)) throw new Error('simulated: the connection broke before the call arrived')
      const answer = await operation(...sent)
      await delay()
      if (random.chance(failAfter)) throw new Error('simulated: the connection broke before the answer arrived')
      return answer
    }
  }
  return {
    now: store.now,
    commit: call(store.commit),
    job: call(store.job),
    jobs: call(store.jobs),
    events: call(store.events),
    feed: call(store.feed),
    feedEnd: call(store.feedEnd),
    stats: call(store.stats),
    removeJobs: call(store.removeJobs),
    purge: call(store.purge),
    leaseJobs: call(store.leaseJobs),
    leaseTasks: call(store.leaseTasks),
    queues: call(store.queues),
    leaseTimers: call(store.leaseTimers),
    nextDue: call(store.nextDue),
    renew: call(store.renew),
    held: call(store.held),
    release: call(store.release),
    expireLeases: call(store.expireLeases),
    dropTimers: call(store.dropTimers),
    putWorker: call(store.putWorker),
    touchWorker: call(store.touchWorker),
    removeWorker: call(store.removeWorker),
    worker: call(store.worker),
    workers: call(store.workers),
    putRecords: call(store.putRecords),
    getRecords: call(store.getRecords),
    listRecords: call(store.listRecords),
    leaseRecords: call(store.leaseRecords),
    dropRecords: call(store.dropRecords),
    draw: call(store.draw),
    subscribe: (listener) =>
      store.subscribe((wakeup) => {
        const { loseNews, doubleNews, delayMs } = faults()
        if (random.chance(loseNews)) return
        for (let times = random.chance(doubleNews) ? 2 : 1; times > 0; times -= 1)
          world.after(random.next() * delayMs, () => {
            if (life.alive) listener(wakeup)
          })
      }),
    close: store.close,
  }
}
