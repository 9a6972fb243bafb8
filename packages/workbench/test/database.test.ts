import { type TestDatabase, testDatabase } from '@tutti/stores/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDatabase, type Database } from '../src/database/database.ts'

let testDb: TestDatabase
let database: Database
let lost: Error[]

beforeAll(async () => {
  testDb = await testDatabase()
  lost = []
  database = createDatabase({
    connectionString: testDb.connectionString,
    connections: 1,
    onError: (error) => lost.push(error),
  })
})
afterAll(async () => {
  await database.close()
  await testDb.drop()
})

test('database-that-goes-away-within-a-transaction-fails-it-and-not-the-process', async () => {
  const other = createDatabase({ connectionString: testDb.connectionString })
  try {
    const cut = database.transaction(async (tx) => {
      const [own] = await tx.query<{ pid: number }>('select pg_backend_pid() as pid')
      await other.query('select pg_terminate_backend($1)', [own?.pid])
      // Between two statements nobody but the transaction hears of it.
      await expect.poll(() => lost.length).toBeGreaterThan(0)
      return tx.query('select 1')
    })
    await expect(cut).rejects.toThrow()
    // The connection is not given to the next one.
    expect(await database.transaction((tx) => tx.query('select 1 as one'))).toEqual([{ one: 1 }])
  } finally {
    await other.close()
  }
})
