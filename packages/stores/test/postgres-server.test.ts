/** The server that a Store finds: empty, of a newer version, with another clock, or restored from another one. */
import type { Store } from '@tutti/engine'
import { expect, test, vi } from 'vitest'
import { aChange, accept, aJob, anEvent, aTimer, here } from '../src/conformance/subject.ts'
import { createPostgresStore, SchemaVersionError } from '../src/index.ts'
import { databasePerTest } from './database-per-test.ts'

const stage = databasePerTest()
const { open, until, sql } = stage

test('many processes migrate an empty database at once: it is migrated once', async () => {
  const stores = await Promise.all(Array.from({ length: 6 }, () => open()))
  const versions = await sql<{ version: number }>('SELECT version FROM tutti.migrations ORDER BY version')
  expect(versions.map((row) => row.version)).toEqual([1, 2, 3])
  for (const store of stores) await accept(store, aChange(aJob()))
})

test('a database of a newer version is refused, and left as it is', async () => {
  await (await open()).close()
  stage.opened = []
  await sql(`INSERT INTO tutti.migrations (version, name) VALUES (9999, '9999-later.sql')`)
  const refused = createPostgresStore({ connectionString: stage.database.connectionString })
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
  stage.opened = []
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
