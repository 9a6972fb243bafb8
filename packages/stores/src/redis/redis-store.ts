/**
 * The Store on Redis 7 or newer, one server or a Redis Cluster. One round trip per operation, one Lua script per operation.
 *
 * - `layout.ts` is the table of keys, and says why all lie in one slot.
 * - `scripts/` holds the operations, one file each, with what they share in `scripts/shared/`. A script runs alone, so a change is taken
 *   whole; it judges before it writes, and nothing that it writes can fail. The files here write arguments and read answers.
 * - Names are written as `text.ts` says, bodies are JSON that no script looks into: cjson would round numbers and make objects of empty lists.
 * - Jobs whose handler is to be run are handed out through streams, one for each version of a blueprint, with the instance's name as
 *   the consumer: `XINFO CONSUMERS` shows who has how many in hand.
 * - Instants are the server's clock. After a failover they are another server's: leases end early or late by the difference of the clocks.
 * - What was acknowledged is as safe as the server's settings make it: see `persistence.ts`. A failover to a replica may lose the changes
 *   that had not reached it.
 */
import { setTimeout } from 'node:timers/promises'
import type { Store, Wakeup } from '@tutti/engine'
import { createServerClock } from '../clock.ts'
import { draw } from './budgets.ts'
import { commit } from './commit.ts'
import { connect, type RedisConnection, type RedisServer } from './connection.ts'
import { readFeed, readFeedEnd } from './feed.ts'
import { expireLeases, held, leaseTasks, readQueues, release, renew } from './hand-out.ts'
import { leaseJobs, listJobs, purge, readEvents, readJobs, removeJobs, stats } from './jobs.ts'
import { checkLayout, keyOf, layoutVersion, rootOf } from './layout.ts'
import { listen } from './listen.ts'
import { newsOf } from './news.ts'
import { persistenceWarnings } from './persistence.ts'
import { dropRecords, getRecords, leaseRecords, listRecords, putRecords } from './records.ts'
import { createRun } from './scripts.ts'
import { nameText } from './text.ts'
import { dropTimers, leaseTimers, nextDue } from './timers.ts'
import { reaching } from './unreachable.ts'
import { listWorkers, putWorker, readWorker, removeWorker, touchWorker } from './workers.ts'

export type RedisStoreOptions = RedisServer & {
  /** Names this instance as a consumer of the streams. Two instances of one name would look like one, and still never share a job. */
  instance: string
  /** Several Tuttis can share a server under different prefixes. Default: tutti. */
  prefix?: string
  /** Told once, at the start, what the server's settings put at risk: a sentence with the remedy. */
  onWarning?: (text: string) => void
  /** Told of lost connections, which come back by themselves. */
  onError?: (error: unknown) => void
  /** A consumer without jobs that has not been seen for so long is removed; it comes back with its next job. Default: 5 minutes. */
  consumerIdleMs?: number
  /** How often the connections are asked for a sign of life, and how long it may take. Defaults: 10 s and 5 s. */
  checkEveryMs?: number
  checkTimeoutMs?: number
}

/**
 * Connects, checks the layout of what is there, and listens for news.
 * @throws SchemaVersionError when the keys belong to a newer version
 */
export const createRedisStore = async (options: RedisStoreOptions): Promise<Store> => {
  const { instance, prefix = 'tutti', onWarning = () => {}, onError = () => {}, consumerIdleMs = 300_000 } = options
  const root = rootOf(prefix)
  const { checkEveryMs = 10_000, checkTimeoutMs = 5_000 } = options
  const connection = await connect(options, root, { checkEveryMs, checkTimeoutMs }, onError)
  const run = createRun(connection, root)
  const listeners = new Set<(wakeup: Wakeup) => void>()
  const tell = (wakeup: Wakeup): void => {
    for (const listener of listeners) listener(wakeup)
  }
  const open = async () => {
    checkLayout(root, Number(await run<string>('open', [layoutVersion])))
    for (const warning of await persistenceWarnings(connection)) onWarning(warning)
    const clock = await createServerClock(() => serverTime(connection))
    const listener = await listen({
      addresses: 'server' in options ? [options.server] : options.cluster,
      channel: keyOf(root, 'news'),
      onMessage: (payload) => tell(newsOf(payload)),
      onGap: () => tell({ resync: true }),
      onError,
      checkEveryMs,
      checkTimeoutMs,
    })
    return { clock, listener }
  }
  const { clock, listener } = await open().catch(async (error: unknown) => {
    // An open connection would keep the process alive that could not use it.
    await connection.close()
    throw error
  })

  return {
    now: clock.now,
    commit: reaching((changes) => commit(run, changes)),
    job: reaching((ids) => readJobs(run, ids)),
    jobs: reaching((query) => listJobs(run, query)),
    events: reaching((jobId, since, limit) => readEvents(connection, root, jobId, since, limit)),
    feed: reaching((request) => readFeed(run, request)),
    feedEnd: reaching(() => readFeedEnd(run)),
    stats: reaching((client) => stats(run, client)),
    removeJobs: reaching((ids) => removeJobs(run, ids)),
    purge: reaching((request) => purge(run, request)),
    leaseJobs: reaching((request) => leaseJobs(run, instance, consumerIdleMs, request)),
    leaseTasks: reaching((requests) => leaseTasks(run, requests)),
    queues: reaching(() => readQueues(run)),
    leaseTimers: reaching((request) => leaseTimers(run, request)),
    nextDue: reaching((blueprints, kinds) => nextDue(run, blueprints, kinds)),
    renew: reaching((request) => renew(run, request)),
    held: reaching((worker, taskId) => held(connection, root, worker, taskId)),
    release: reaching((leases) => release(run, leases)),
    expireLeases: reaching((worker) => expireLeases(run, worker)),
    dropTimers: reaching((ids) => dropTimers(run, ids)),
    putWorker: reaching((worker) => putWorker(run, worker)),
    touchWorker: reaching((touch) => touchWorker(run, touch)),
    removeWorker: reaching((id) => removeWorker(run, id)),
    worker: reaching((id) => readWorker(run, id)),
    workers: reaching(() => listWorkers(run)),
    putRecords: reaching((records) => putRecords(run, records)),
    getRecords: reaching((kind, ids) => getRecords(run, kind, ids)),
    listRecords: reaching((query) => listRecords(run, query)),
    leaseRecords: reaching((request) => leaseRecords(run, request)),
    dropRecords: reaching((kind, ids) => dropRecords(run, kind, ids)),
    draw: reaching((draws) => draw(run, draws)),
    subscribe: (each) => {
      listeners.add(each)
      return () => listeners.delete(each)
    },
    close: async () => {
      listeners.clear()
      clock.stop()
      listener.stop()
      // Leaving is a courtesy, not worth waiting for: a consumer that stays is removed by others.
      await Promise.race([
        run('leave', [nameText(instance)]).catch(() => {}),
        setTimeout(1_000, undefined, { ref: false }),
      ])
      await connection.close()
    },
  }
}

const serverTime = async (connection: RedisConnection): Promise<number> => {
  const [seconds, microseconds] = (await connection.send(['TIME'])) as [string, string]
  return Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000)
}
