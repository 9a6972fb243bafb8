/** What can only go wrong with a real server: migrations, lost connections, clocks, backlogs. */
import type { Store, Wakeup } from '@tutti/engine'
import pg from 'pg'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import {
  aChange,
  accept,
  aJob,
  anEvent,
  aTask,
  aTimer,
  ended,
  fenceOf,
  here,
  idsOf,
  jobWith,
  lease,
  next,
} from '../src/conformance/subject.ts'
import { createPostgresStore, type PostgresStoreOptions, SchemaVersionError } from '../src/index.ts'
import { type TestDatabase, testDatabase } from '../src/testing/index.ts'
import { silenceableProxy } from './silenceable-proxy.ts'

let database: TestDatabase
let opened: Store[]

beforeEach(async () => {
  database = await testDatabase()
  opened = []
})

afterEach(async () => {
  await Promise.all(opened.map((store) => store.close()))
  await database.drop()
})

const open = async (options: Partial<PostgresStoreOptions> = {}): Promise<Store> => {
  const store = await createPostgresStore({ connectionString: database.connectionString, ...options })
  opened.push(store)
  return store
}

const sql = async <T extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<T[]> => {
  const client = new pg.Client({ connectionString: database.connectionString })
  await client.connect()
  try {
    return (await client.query<T>(text, values)).rows
  } finally {
    await client.end()
  }
}

const until = (check: () => void | Promise<void>): Promise<void> => vi.waitFor(check, { timeout: 20_000, interval: 20 })

test('many processes migrate an empty database at once: it is migrated once', async () => {
  const stores = await Promise.all(Array.from({ length: 6 }, () => open()))
  const versions = await sql<{ version: number }>('SELECT version FROM tutti.migrations ORDER BY version')
  expect(versions.map((row) => row.version)).toEqual([1, 2, 3])
  for (const store of stores) await accept(store, aChange(aJob()))
})

test('a database of a newer version is refused, and left as it is', async () => {
  await (await open()).close()
  opened = []
  await sql(`INSERT INTO tutti.migrations (version, name) VALUES (9999, '9999-later.sql')`)
  const refused = createPostgresStore({ connectionString: database.connectionString })
  await expect(refused).rejects.toThrow(SchemaVersionError)
  await expect(refused).rejects.toThrow(/9999/)
  // Nothing stays open that would keep the process alive: an idle connection would, for ten seconds.
  await vi.waitFor(
    async () => {
      const others = await sql(
        'SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
      )
      expect(others).toEqual([])
    },
    { timeout: 5_000, interval: 20 },
  )
})

test('a server that can not be reached is an error at once, not a hang', async () => {
  const connectionString = database.connectionString.replace(/\/test_[0-9a-f]+\?/, '/no_such_database?')
  await expect(createPostgresStore({ connectionString })).rejects.toThrow(/no_such_database/)
})

test('the connection for news is killed: listeners are told of the gap, and then hear as before', async () => {
  const errors: unknown[] = []
  const store = await open({ onError: (error) => errors.push(error) })
  const heard: Wakeup[] = []
  store.subscribe((news) => heard.push(news))
  for (let round = 1; round <= 2; round += 1) {
    const killed = await sql(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query = 'LISTEN tutti'`,
    )
    expect(killed).toHaveLength(1)
    await until(() => expect(heard.filter((news) => news.resync)).toHaveLength(round))
    const job = aJob()
    await accept(store, aChange(job))
    await until(() => expect(heard.flatMap((news) => news.jobs ?? [])).toContain(job.id))
  }
  expect(errors).not.toEqual([])
})

test('every connection is killed while work goes on: a call may fail, nothing is half done, all goes on', async () => {
  const store = await open()
  const jobs = Array.from({ length: 40 }, () => aJob({ seq: 1 }))
  const answers = jobs.map((job) =>
    store.commit([aChange(job, { enqueue: [aTask(job)], setTimers: [aTimer(job)] })]).then(
      ([outcome]) => outcome?.accepted === true,
      () => null,
    ),
  )
  await sql(
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
  )
  const accepted = await Promise.all(answers)
  const stored = await store.job(jobs.map((job) => job.id))
  for (const [at, answer] of accepted.entries()) if (answer) expect(stored[at]?.id).toBe(jobs[at]?.id)
  const there = stored.filter((job) => job !== undefined).length
  expect(await lease(store, { max: 100 })).toHaveLength(there)
  expect((await store.leaseTimers({ limit: 100, leaseMs: 0 })).timers).toHaveLength(there)
})

test('a notification that is no news is taken for a gap', async () => {
  const store = await open()
  const heard: Wakeup[] = []
  store.subscribe((news) => heard.push(news))
  await sql(`SELECT pg_notify('tutti', 'hello')`)
  await until(() => expect(heard).toContainEqual({ resync: true }))
})

test('closing while the connection for news is being replaced leaves no connection behind', async () => {
  const store = await open()
  await sql(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query = 'LISTEN tutti'`,
  )
  await store.close()
  opened = []
  await until(async () => {
    const others = await sql(
      'SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    )
    expect(others).toEqual([])
  })
})

test('the Store’s clock is the database’s, however wrong the process’s own is', async () => {
  await open()
  const hour = 3_600_000
  await sql(`CREATE OR REPLACE FUNCTION tutti.now_ms() RETURNS bigint LANGUAGE sql VOLATILE PARALLEL SAFE AS
    $$ SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint + ${hour} $$`)
  const store = await open()
  const [row] = await sql<{ now: string }>('SELECT tutti.now_ms() AS now')
  expect(Math.abs(store.now() - Number(row?.now))).toBeLessThan(hour / 10)
  expect(store.now() - Date.now()).toBeGreaterThan(hour / 2)
  // An instant that has come for the database has come, though here it is in the future.
  const job = aJob({ wakeAt: Date.now() + hour / 2 })
  await accept(store, aChange(job, { setTimers: [aTimer(job, { dueAt: Date.now() + hour / 2 })] }))
  expect((await store.leaseTimers({ limit: 1, leaseMs: 0 })).timers).toHaveLength(1)
  expect(await store.leaseJobs({ blueprints: here, limit: 1, leaseMs: 0 })).toHaveLength(1)
})

test('what a commit reads does not grow with the backlog', async () => {
  await open()
  const backlog = 20_000
  await sql(
    `INSERT INTO tutti.jobs (id, client, blueprint, version, status, labels, created_at, rev, finished_at, body)
       SELECT gen_random_uuid(), 'c', 'b', 1, 'finished', '{}', 1, 1, 4000000000000, '{}' FROM generate_series(1, $1)`,
    [backlog],
  )
  // Of the same queue and priority as the tasks below and of their fair keys, and so in their way.
  await sql(
    `INSERT INTO tutti.tasks (id, job_id, queue, priority, fair_key, turn, state, concurrency_key, concurrency_limit, attempt, visible_at,
                              pickup_by, waiting_since, body)
       SELECT 'b' || n, gen_random_uuid(), 'video.render', -1, 'client-' || (CASE WHEN n % 2 = 0 THEN 'a' ELSE 'b' END), n, 'queued',
              'key' || n, 1, 1, 0, 4000000000000, 0, '{}' FROM generate_series(1, $1) n`,
    [backlog],
  )
  await sql(`INSERT INTO tutti.queues (queue) SELECT 'q' || n FROM generate_series(1, $1) n`, [backlog])
  await sql(
    `INSERT INTO tutti.records SELECT 'note', n::text, NULL, NULL, 1, 4000000000000, 4000000000000, '{}' FROM generate_series(1, $1) n`,
    [backlog],
  )
  await sql(
    `INSERT INTO tutti.feed (era, stored_at, client, job_id, job_created, first_seq, last_seq)
       SELECT 1, 0, 'client-a', gen_random_uuid(), 1, 1, 1 FROM generate_series(1, $1) n`,
    [backlog],
  )
  await sql(
    `INSERT INTO tutti.timers SELECT 'b' || n, gen_random_uuid(), 4000000000000, '{}' FROM generate_series(1, $1) n`,
    [backlog],
  )
  await sql('ANALYZE')
  const rowsRead = async (): Promise<number> => {
    const [row] = await sql<{ rows: string }>(
      `SELECT (sum(seq_tup_read) + sum(idx_tup_fetch))::text AS rows FROM pg_stat_user_tables WHERE schemaname = 'tutti'`,
    )
    return Number(row?.rows)
  }
  const before = await rowsRead()
  const busy = await createPostgresStore({ connectionString: database.connectionString, maxConnections: 1 })
  // More than five rounds: then PostgreSQL may settle on a plan that knows nothing of the values.
  for (let round = 0; round < 12; round += 1) {
    const job = await jobWith(busy, [{}, { concurrencyKey: 'k' }, { priority: -1 }, { priority: -1, fairKey: 'new' }])
    const leases = await lease(busy, { max: 2 })
    await busy.renew({ worker: 'worker-1', leaseMs: 60_000 })
    const [first] = leases
    if (!first) throw new Error('two tasks were enqueued')
    await busy.release([fenceOf(first)])
    await lease(busy, { max: 2 })
    const timer = aTimer(job)
    const second = next(job)
    await accept(busy, aChange(second, { setTimers: [timer], close: [first.task.id] }))
    await busy.leaseTimers({ limit: 10, leaseMs: 60_000 })
    await busy.leaseJobs({ blueprints: here, limit: 10, leaseMs: 60_000 })
    await busy.nextDue(here, ['note', 'other'])
    await busy.leaseRecords({ kind: 'note', limit: 10, leaseMs: 60_000 })
    const record = {
      kind: 'note',
      id: `r${round}`,
      owner: null,
      ref: null,
      rev: 1,
      dueAt: null,
      expiresAt: null,
      body: {},
    }
    await accept(
      busy,
      aChange(next(second), { clearTimers: [timer.id], records: [record], events: [anEvent(job, 1)] }),
      aChange(aJob(), { spawn: [{ job: aJob(), events: [], timers: [] }] }),
    )
    await accept(busy, aChange(ended(next(second))))
  }
  // Counts of a connection arrive when it ends.
  await busy.close()
  await until(async () => {
    const [row] = await sql<{ n: string }>(`SELECT n_tup_del AS n FROM pg_stat_user_tables WHERE relname = 'tasks'`)
    expect(Number(row?.n)).toBeGreaterThan(0)
  })
  expect((await rowsRead()) - before).toBeLessThan(backlog)
})

test('a database that is away is told from a fault of ours: callers are asked to try again', async () => {
  const store = await open()
  await accept(store, aChange(aJob()))
  // Gone from here on: connections are ended, and new ones find no database of that name.
  await database.drop()
  await vi.waitFor(async () => {
    const failure = await store.job([crypto.randomUUID()]).then(
      () => undefined,
      (error: unknown) => error,
    )
    expect(failure).toMatchObject({ code: 'STORE_UNAVAILABLE' })
  })
})

test('a poll of hundreds of queues reads little of the backlog, and locks no more than it takes', async () => {
  const store = await open({ maxConnections: 1 })
  const queues = Array.from({ length: 300 }, (_, at) => `q${at}`)
  await sql(
    `INSERT INTO tutti.tasks (id, job_id, queue, priority, fair_key, turn, state, concurrency_limit, attempt, visible_at, waiting_since, body)
       SELECT 'b' || n, gen_random_uuid(), 'q' || n % 300, n, 'f', n, 'queued', 1, 1, 0, 0, '{}' FROM generate_series(1, 30000) n`,
  )
  await sql('ANALYZE')
  expect(idsOf(await lease(store, { queues, max: 2 }))).toEqual(['b30000', 'b29999'])
  // Counts of a connection arrive when it ends.
  await store.close()
  opened = []
  await until(async () => {
    const [row] = await sql<{ rows: string }>(
      `SELECT seq_tup_read + idx_tup_fetch AS rows FROM pg_stat_user_tables WHERE relname = 'tasks' AND n_tup_upd > 0`,
    )
    expect(Number(row?.rows)).toBeLessThan(3_000)
  })
  // A lock is written into its row, and stays there.
  const locked = await sql<{ id: string }>(`SELECT id FROM tutti.tasks WHERE xmax <> '0' ORDER BY id`)
  expect(locked.map(({ id }) => id)).toEqual(['b29999', 'b30000'])
})

test('a transaction that commits late does not put its lines in front of those that were read', async () => {
  const store = await open()
  const job = async (): Promise<string> => {
    const fresh = aJob({ seq: 1 })
    await accept(store, aChange(fresh, { events: [anEvent(fresh, 1)] }))
    return fresh.id
  }
  const told = async (after: string | null): Promise<{ ids: string[]; cursor: string | null }> => {
    const { events, cursor } = await store.feed({ after, limit: 100 })
    return { ids: events.map(({ jobId }) => jobId), cursor }
  }
  const first = await job()
  // Whatever else is under way at this server, in other databases too, is waited for.
  await until(async () => expect((await told(null)).ids).toEqual([first]))
  const slow = new pg.Client({ connectionString: database.connectionString })
  await slow.connect()
  try {
    const late = aJob({ seq: 1 })
    await slow.query('BEGIN')
    await slow.query(
      `INSERT INTO tutti.jobs (id, client, blueprint, version, status, labels, created_at, rev, body)
         VALUES ($1, 'client-a', 'transcode', 1, 'running', '{}', 1, 1, $2)`,
      [late.id, JSON.stringify(late)],
    )
    await slow.query(`INSERT INTO tutti.events VALUES ($1, 1, 1, 'progress', 's', '{}')`, [late.id])
    await slow.query(
      `INSERT INTO tutti.feed (era, stored_at, client, job_id, job_created, first_seq, last_seq) VALUES (1, 1, 'client-a', $1, 1, 1, 1)`,
      [late.id],
    )
    // Committed while the older one is still under way: it must wait to be told of.
    const second = await job()
    const before = await told(null)
    expect(before.ids).toEqual([first])
    expect((await told(before.cursor)).ids).toEqual([])
    await slow.query('COMMIT')
    const third = await job()
    await until(async () => expect((await told(before.cursor)).ids).toEqual([late.id, second, third]))
    expect((await told(null)).ids).toEqual([first, late.id, second, third])
  } finally {
    await slow.end()
  }
})

test('a queue is not forgotten while a task for it is on its way, nor when one comes in that moment', async () => {
  const store = await open()
  const job = await jobWith(store, [{ queue: 'q' }])
  await accept(store, aChange(ended(job)))
  const slow = new pg.Client({ connectionString: database.connectionString })
  await slow.connect()
  try {
    // A commit that finds the queue noted, and whose task nobody can see yet.
    await slow.query('BEGIN')
    await slow.query(`SELECT tutti.note_queues(ARRAY['q'], ARRAY[NULL])`)
    await slow.query(
      `INSERT INTO tutti.tasks (id, job_id, queue, priority, fair_key, turn, state, concurrency_limit, attempt, visible_at, waiting_since, body)
         VALUES ('t', gen_random_uuid(), 'q', 0, 'f', 0, 'queued', 1, 1, 0, 0, '{}')`,
    )
    const purging = store.purge({ finishedBefore: 0, feedBefore: 0, limit: 1 })
    await until(async () => expect(await sql(`SELECT FROM tutti.queues WHERE fading`)).toHaveLength(1))
    await slow.query('COMMIT')
    await purging
    expect(await store.queues()).toEqual(['q'])
    // Still marked, until the next task comes.
    await jobWith(store, [{ queue: 'q' }])
    expect(await sql(`SELECT FROM tutti.queues WHERE fading`)).toEqual([])
  } finally {
    await slow.end()
  }
})

test('a database that is restored to another server: readers of the feed go on with what is new there', async () => {
  const former = await open()
  const told = async (store: Store, after: string | null): Promise<{ ids: string[]; cursor: string | null }> => {
    const { events, cursor } = await store.feed({ after, limit: 100 })
    return { ids: events.map(({ jobId }) => jobId), cursor }
  }
  const job = async (store: Store): Promise<string> => {
    const fresh = aJob({ seq: 1 })
    await accept(store, aChange(fresh, { events: [anEvent(fresh, 1)] }))
    return fresh.id
  }
  const [first, second] = [await job(former), await job(former)]
  await former.close()
  opened = []
  // As they would be found if the former server had counted far more transactions than this one.
  await sql(`UPDATE tutti.feed SET xid = (xid::text::bigint + 4000000000)::text::xid8`)
  const store = await open()
  expect((await told(store, null)).ids).toEqual([first, second])
  const { cursor } = await told(store, null)
  const third = await job(store)
  await until(async () => expect((await told(store, cursor)).ids).toEqual([third]))
  await open()
  const fourth = await job(store)
  await until(async () => expect((await told(store, null)).ids).toEqual([first, second, third, fourth]))
})

test('a statement that hangs is given up, and told as a store that can not be reached', async () => {
  const store = await open({ statementTimeoutMs: 200 })
  const job = aJob()
  await accept(store, aChange(job))
  const holder = new pg.Client({ connectionString: database.connectionString })
  await holder.connect()
  try {
    await holder.query('BEGIN')
    await holder.query('SELECT 1 FROM tutti.jobs FOR UPDATE')
    await expect(store.commit([aChange(next(job))])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  } finally {
    await holder.end()
  }
  await accept(store, aChange(next(job)))
})

test('a connection for news that is silently dead is noticed, replaced, and the gap is told', async () => {
  const proxy = await silenceableProxy(database.connectionString)
  try {
    const store = await open({ connectionString: proxy.connectionString, checkEveryMs: 50, checkTimeoutMs: 200 })
    const direct = await open()
    const heard: Wakeup[] = []
    store.subscribe((news) => heard.push(news))
    const hears = async (): Promise<void> => {
      const job = aJob()
      await accept(direct, aChange(job))
      await until(() => expect(heard.flatMap((news) => news.jobs ?? [])).toContain(job.id))
    }
    await hears()
    // Packets vanish, and nobody says that the connection is gone.
    proxy.silence()
    await until(() => expect(heard).toContainEqual({ resync: true }))
    await hears()
  } finally {
    await Promise.all(opened.map((store) => store.close()))
    opened = []
    await proxy.close()
  }
})
