/** Much that waits: what a commit and a poll read and lock does not grow with it. */
import { expect, test } from 'vitest'
import {
  aChange,
  accept,
  aJob,
  anEvent,
  aTimer,
  ended,
  fenceOf,
  here,
  idsOf,
  jobWith,
  lease,
  next,
} from '../src/conformance/subject.ts'
import { createPostgresStore } from '../src/index.ts'
import { databasePerTest } from './database-per-test.ts'

const stage = databasePerTest()
const { open, until, sql } = stage

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
  const busy = await createPostgresStore({ connectionString: stage.database.connectionString, maxConnections: 1 })
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
  stage.opened = []
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
