/** A database for each test of a file, and the Stores that it opens there. */
import type { Store } from '@tutti/engine'
import pg from 'pg'
import { afterEach, beforeEach, vi } from 'vitest'
import { createPostgresStore, type PostgresStoreOptions } from '../src/index.ts'
import { type TestDatabase, testDatabase } from '../src/testing/index.ts'

export interface DatabaseStage {
  /** That of the test that runs. */
  readonly database: TestDatabase
  /** Closed behind the test; a test that has closed its own empties this. */
  opened: Store[]
  open(options?: Partial<PostgresStoreOptions>): Promise<Store>
  /** One statement, over a connection of its own. */
  sql<T extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<T[]>
  until(check: () => void | Promise<void>): Promise<void>
}

/** To be called once at the top of a test file: it registers the hooks. */
export const databasePerTest = (): DatabaseStage => {
  let database: TestDatabase | undefined
  const ofTheTest = (): TestDatabase => {
    if (!database) throw new Error('only a test has a database')
    return database
  }
  const stage: DatabaseStage = {
    get database() {
      return ofTheTest()
    },
    opened: [],
    open: async (options = {}) => {
      const store = await createPostgresStore({ connectionString: ofTheTest().connectionString, ...options })
      stage.opened.push(store)
      return store
    },
    sql: async <T extends pg.QueryResultRow>(text: string, values: unknown[] = []) => {
      const client = new pg.Client({ connectionString: ofTheTest().connectionString })
      await client.connect()
      try {
        return (await client.query<T>(text, values)).rows
      } finally {
        await client.end()
      }
    },
    until: (check) => vi.waitFor(check, { timeout: 20_000, interval: 20 }),
  }
  beforeEach(async () => {
    database = await testDatabase()
    stage.opened = []
  })
  afterEach(async () => {
    await Promise.all(stage.opened.map((store) => store.close()))
    await database?.drop()
  })
  return stage
}
