/** What can only go wrong with a real server: it is away, hangs or falls silent, or its connections are lost. */
import type { Wakeup } from '@tutti/engine'
import pg from 'pg'
import { expect, test, vi } from 'vitest'
import { aChange, accept, aJob, aTask, aTimer, lease, next } from '../src/conformance/subject.ts'
import { createPostgresStore } from '../src/index.ts'
import { databasePerTest } from './database-per-test.ts'
import { silenceableProxy } from './silenceable-proxy.ts'

const stage = databasePerTest()
const { open, until, sql } = stage

test('a server that can not be reached is an error at once, not a hang', async () => {
  const connectionString = stage.database.connectionString.replace(/\/test_[0-9a-f]+\?/, '/no_such_database?')
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
  stage.opened = []
  await until(async () => {
    const others = await sql(
      'SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    )
    expect(others).toEqual([])
  })
})

test('a database that is away is told from a fault of ours: callers are asked to try again', async () => {
  const store = await open()
  await accept(store, aChange(aJob()))
  // Gone from here on: connections are ended, and new ones find no database of that name.
  await stage.database.drop()
  await vi.waitFor(async () => {
    const failure = await store.job([crypto.randomUUID()]).then(
      () => undefined,
      (error: unknown) => error,
    )
    expect(failure).toMatchObject({ code: 'STORE_UNAVAILABLE' })
  })
})

test('a statement that hangs is given up, and told as a store that can not be reached', async () => {
  const store = await open({ statementTimeoutMs: 200 })
  const job = aJob()
  await accept(store, aChange(job))
  const holder = new pg.Client({ connectionString: stage.database.connectionString })
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
  const proxy = await silenceableProxy(stage.database.connectionString)
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
    await Promise.all(stage.opened.map((store) => store.close()))
    stage.opened = []
    await proxy.close()
  }
})
