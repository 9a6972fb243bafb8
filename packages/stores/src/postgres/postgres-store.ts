/** The Store on PostgreSQL 14 or newer. One round trip per operation; one SQL operation per function. */
import type { Store, Wakeup } from '@tutti/engine'
import pg from 'pg'
import { createDatabaseClock } from './clock.ts'
import { commit } from './commit.ts'
import { expireLeases, held, leaseLost, leaseTasks, release, renew } from './hand-out.ts'
import { leaseJobs, listJobs, readEvents, readJobs } from './jobs.ts'
import { listen } from './listen.ts'
import { migrate } from './migrate.ts'
import { dropTimers, leaseTimers, nextDue } from './timers.ts'
import { reaching } from './unreachable.ts'
import { listWorkers, putWorker, readWorker } from './workers.ts'

export interface PostgresStoreOptions {
  connectionString: string
  /** Connections for operations; one more listens for news. */
  maxConnections?: number
  /** Told of lost connections, which come back by themselves. */
  onError?: (error: unknown) => void
}

/**
 * Connects, migrates, and listens for news.
 * @throws SchemaVersionError when the database belongs to a newer version
 */
export const createPostgresStore = async (options: PostgresStoreOptions): Promise<Store> => {
  const { connectionString, maxConnections = 8, onError = () => {} } = options
  const pool = new pg.Pool({ connectionString, max: maxConnections, keepAlive: true })
  // Without a listener the loss of an idle connection would end the process.
  pool.on('error', onError)
  const listeners = new Set<(wakeup: Wakeup) => void>()
  const tell = (wakeup: Wakeup): void => {
    for (const listener of listeners) listener(wakeup)
  }
  const open = async () => {
    await migrate(pool, { schema: 'tutti', folder: new URL('./migrations/', import.meta.url) })
    const listener = await listen({
      connectionString,
      channel: 'tutti',
      onMessage: (payload) => tell(newsOf(payload)),
      onGap: () => tell({ resync: true }),
      onError,
    })
    return { listener, clock: await createDatabaseClock(pool) }
  }
  const { listener, clock } = await open().catch(async (error: unknown) => {
    // Open connections would keep the process alive that could not use them.
    await pool.end()
    throw error
  })

  return {
    now: clock.now,
    commit: reaching((changes) => commit(pool, changes)),
    job: reaching((ids) => readJobs(pool, ids)),
    jobs: reaching((query) => listJobs(pool, query)),
    events: reaching((jobId, since, limit) => readEvents(pool, jobId, since, limit)),
    leaseJobs: reaching((request) => leaseJobs(pool, request)),
    leaseTasks: reaching((requests) => leaseTasks(pool, requests)),
    leaseTimers: reaching(async ({ limit, leaseMs }) => {
      const [timers, lost] = await Promise.all([leaseTimers(pool, limit, leaseMs), leaseLost(pool, limit, leaseMs)])
      return { timers, lost }
    }),
    nextDue: reaching((blueprints) => nextDue(pool, blueprints)),
    renew: reaching((request) => renew(pool, request)),
    held: reaching((worker, taskId) => held(pool, worker, taskId)),
    release: reaching((leases) => release(pool, leases)),
    expireLeases: reaching((worker) => expireLeases(pool, worker)),
    dropTimers: reaching((ids) => dropTimers(pool, ids)),
    putWorker: reaching((worker) => putWorker(pool, worker)),
    worker: reaching((id) => readWorker(pool, id)),
    workers: reaching(() => listWorkers(pool)),
    subscribe: (each) => {
      listeners.add(each)
      return () => listeners.delete(each)
    },
    close: async () => {
      listeners.clear()
      clock.stop()
      await listener.stop()
      await pool.end()
    },
  }
}

/** Anybody may notify the channel; what can't be read counts as something missed. */
const newsOf = (payload: string): Wakeup => {
  try {
    return JSON.parse(payload) as Wakeup
  } catch {
    return { resync: true }
  }
}
