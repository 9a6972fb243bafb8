/** The Store on PostgreSQL 14 or newer. One round trip per operation; one SQL operation per function. */
import type { Store, Wakeup } from '@tutti/engine'
import pg from 'pg'
import { createDatabaseClock } from './clock.ts'
import { commit } from './commit.ts'
import { beginEra, readFeed, readFeedEnd } from './feed.ts'
import { expireLeases, held, leaseLost, leaseTasks, release, renew } from './hand-out.ts'
import { leaseJobs, listJobs, readEvents, readJobs } from './jobs.ts'
import { listen } from './listen.ts'
import { migrate } from './migrate.ts'
import { draw, dropRecords, leaseRecords, listRecords, putRecords, readRecords } from './records.ts'
import { textOf } from './text.ts'
import { dropTimers, leaseTimers, nextDue } from './timers.ts'
import { reaching } from './unreachable.ts'
import { listQueues, purge, readStats, removeJobs } from './upkeep.ts'
import { listWorkers, putWorker, readWorker, removeWorker, touchWorker } from './workers.ts'

export interface PostgresStoreOptions {
  connectionString: string
  /** Connections for operations; one more listens for news. */
  maxConnections?: number
  /**
   * The server gives a statement up after this time, and the call fails with STORE_UNAVAILABLE; the same if the server itself has
   * not answered a little later. Each takes milliseconds: this is for a lock that nobody gives back and a host that is gone.
   */
  statementTimeoutMs?: number
  /** How often the connection for news is asked for a sign of life, and how long it may take to give one. */
  checkEveryMs?: number
  checkTimeoutMs?: number
  /** Told of lost connections, which come back by themselves. */
  onError?: (error: unknown) => void
  /** Shown the pool before it is used: for a log of statements. */
  watch?: (pool: pg.Pool) => void
}

/**
 * Connects, migrates, and listens for news.
 * @throws SchemaVersionError when the database belongs to a newer version
 */
export const createPostgresStore = async (options: PostgresStoreOptions): Promise<Store> => {
  const { connectionString, maxConnections = 8, statementTimeoutMs = 30_000, onError = () => {} } = options
  const pool = new pg.Pool({
    connectionString,
    max: maxConnections,
    keepAlive: true,
    statement_timeout: statementTimeoutMs,
    // Later than the server's own: an answer that says why is better.
    query_timeout: statementTimeoutMs + 5_000,
    connectionTimeoutMillis: statementTimeoutMs,
  })
  options.watch?.(pool)
  let closing = false
  /** A connection that is let go may still hear that its server stops, and that is no loss. */
  const lost = (error: unknown): void => {
    if (!closing) onError(error)
  }
  // Without a listener the loss of an idle connection would end the process.
  pool.on('error', lost)
  const listeners = new Set<(wakeup: Wakeup) => void>()
  const tell = (wakeup: Wakeup): void => {
    for (const listener of listeners) listener(wakeup)
  }
  const open = async () => {
    await migrateWithoutLimit(connectionString)
    await beginEra(pool)
    const listener = await listen({
      connectionString,
      channel: 'tutti',
      onMessage: (payload) => tell(newsOf(payload)),
      onGap: () => tell({ resync: true }),
      onError: lost,
      ...(options.checkEveryMs === undefined ? {} : { checkEveryMs: options.checkEveryMs }),
      ...(options.checkTimeoutMs === undefined ? {} : { checkTimeoutMs: options.checkTimeoutMs }),
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
    feed: reaching((request) => readFeed(pool, request)),
    feedEnd: reaching(() => readFeedEnd(pool)),
    stats: reaching((client) => readStats(pool, client)),
    removeJobs: reaching((ids) => removeJobs(pool, ids)),
    purge: reaching((request) => purge(pool, request)),

    leaseJobs: reaching((request) => leaseJobs(pool, request)),
    leaseTasks: reaching((requests) => leaseTasks(pool, requests)),
    queues: reaching(() => listQueues(pool)),
    leaseTimers: reaching(async ({ limit, leaseMs }) => {
      const [timers, lost] = await Promise.all([leaseTimers(pool, limit, leaseMs), leaseLost(pool, limit, leaseMs)])
      return { timers, lost }
    }),
    nextDue: reaching((blueprints, kinds) => nextDue(pool, blueprints, kinds)),
    renew: reaching((request) => renew(pool, request)),
    held: reaching((worker, taskId) => held(pool, worker, taskId)),
    release: reaching((leases) => release(pool, leases)),
    expireLeases: reaching((worker) => expireLeases(pool, worker)),
    dropTimers: reaching((ids) => dropTimers(pool, ids)),

    putWorker: reaching((worker) => putWorker(pool, worker)),
    touchWorker: reaching((touch) => touchWorker(pool, touch)),
    removeWorker: reaching((id) => removeWorker(pool, id)),
    worker: reaching((id) => readWorker(pool, id)),
    workers: reaching(() => listWorkers(pool)),

    putRecords: reaching((records) => putRecords(pool, records)),
    getRecords: reaching((kind, ids) => readRecords(pool, kind, ids)),
    listRecords: reaching((query) => listRecords(pool, query)),
    leaseRecords: reaching((request) => leaseRecords(pool, request)),
    dropRecords: reaching((kind, ids) => dropRecords(pool, kind, ids)),
    draw: reaching((draws) => draw(pool, draws)),

    subscribe: (each) => {
      listeners.add(each)
      return () => listeners.delete(each)
    },
    close: async () => {
      closing = true
      listeners.clear()
      clock.stop()
      await listener.stop()
      await pool.end()
    },
  }
}

/** On a connection of its own, because a new version may have to rewrite a large table. */
const migrateWithoutLimit = async (connectionString: string): Promise<void> => {
  const pool = new pg.Pool({ connectionString, max: 1 })
  // A server that goes away meanwhile fails the migration; without a listener it would end the process, and nobody would be told why.
  pool.on('connect', (client) => client.on('error', () => {}))
  try {
    await migrate(pool, { schema: 'tutti', folder: new URL('./migrations/', import.meta.url) })
  } finally {
    await pool.end()
  }
}

/** Anybody may notify the channel; what can't be read counts as something missed. */
const newsOf = (payload: string): Wakeup => {
  try {
    const { queues, revoked, records, workers, ...news } = JSON.parse(payload) as Wakeup
    return {
      ...news,
      ...(queues && { queues: Object.fromEntries(Object.entries(queues).map(([name, n]) => [textOf(name), n])) }),
      ...(revoked && { revoked: revoked.map((each) => ({ ...each, worker: textOf(each.worker) })) }),
      ...(records && { records: records.map(textOf) }),
      ...(workers && { workers: workers.map(textOf) }),
    }
  } catch {
    return { resync: true }
  }
}
