import type { Store, Wakeup } from '@tutti/engine'
import pg from 'pg'
import { afterAll, beforeAll } from 'vitest'
import { type Subject, type Suite, storeConformance } from '../src/conformance/index.ts'
import { createPostgresStore, offloading } from '../src/index.ts'
import { type TestDatabase, testDatabase } from '../src/testing/index.ts'
import { createMapPayloads } from './map-payloads.ts'

let database: TestDatabase
let admin: pg.Client
let stores: [Store, Store]

beforeAll(async () => {
  database = await testDatabase()
  const open = () => createPostgresStore({ connectionString: database.connectionString })
  stores = [await open(), await open()]
  admin = new pg.Client({ connectionString: database.connectionString })
  await admin.connect()
})

afterAll(async () => {
  await Promise.all(stores.map((store) => store.close()))
  await admin.end()
  await database.drop()
})

/** News that is still on its way belongs to the test before: waits until both clients have heard everything. */
const settleNews = async (): Promise<void> => {
  const marker = crypto.randomUUID()
  const heard = stores.map(
    (store) =>
      new Promise<void>((resolve) => {
        const stop = store.subscribe((news: Wakeup) => {
          if (!news.jobs?.includes(marker)) return
          stop()
          resolve()
        })
      }),
  )
  await admin.query(`SELECT pg_notify('tutti', $1)`, [JSON.stringify({ jobs: [marker] })])
  await Promise.all(heard)
}

const empty = async (): Promise<void> => {
  await settleNews()
  await admin.query(
    'TRUNCATE tutti.jobs, tutti.tasks, tutti.queues, tutti.timers, tutti.events, tutti.feed, tutti.workers, tutti.records, tutti.budgets',
  )
}

// One database for all tests, emptied between them: making and migrating one takes longer than most of them.
storeConformance('postgres', async () => ({ store: stores[0], second: async () => stores[1], close: empty }))

// Keys, turns, workers, budgets and news are passed on as they are, and shown above.
const withValues: Suite[] = [
  ...(['commit', 'fences', 'contention', 'hand-out', 'leases of tasks', 'timers', 'leases of jobs'] as const),
  ...(['queries', 'records', 'the feed', 'upkeep', 'odd data'] as const),
]
const withLargeValuesElsewhere = async (): Promise<Subject> => {
  const payloads = createMapPayloads()
  const onError = (error: unknown) => {
    throw error
  }
  const [store, second] = stores.map((each) => offloading(each, { payloads, thresholdBytes: 64, onError }))
  if (!store || !second) throw new Error('the stores are made before all tests')
  return { store, second: async () => second, close: empty }
}
storeConformance('postgres, with large values elsewhere', withLargeValuesElsewhere, withValues)
