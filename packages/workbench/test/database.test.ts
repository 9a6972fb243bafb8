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

test('lock-of-a-holder-that-stands-still-in-its-transaction-is-given-to-the-next-one', async () => {
  const { connectionString } = testDb
  const stopped = createDatabase({ connectionString, idleMs: 200 })
  const free = Promise.withResolvers<void>()
  await database.query('create table locked as select 1 as n')
  try {
    const held = Promise.withResolvers<void>()
    // As a process that was stopped: it has the row, and says nothing.
    const stalled = stopped.transaction(async (tx) => {
      await tx.query('select n from locked for update')
      held.resolve()
      await free.promise
      return tx.query('update locked set n = 2')
    })
    await held.promise
    await database.transaction((tx) => tx.query('update locked set n = 3'))
    free.resolve()
    await expect(stalled).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(await database.query('select n from locked')).toEqual([{ n: 3 }])
  } finally {
    free.resolve()
    await stopped.close()
  }
})

test('statement-that-waits-for-a-lock-which-nobody-gives-back-is-given-up', async () => {
  const hasty = createDatabase({ connectionString: testDb.connectionString, statementMs: 200 })
  await database.query('create table kept as select 1 as n')
  try {
    await database.transaction(async (tx) => {
      await tx.query('select n from kept for update')
      await expect(hasty.query('update kept set n = 2')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    })
  } finally {
    await hasty.close()
  }
})

test('database-that-is-not-there-is-told-as-one-that-may-come-back', async () => {
  const nowhere = createDatabase({ connectionString: 'postgres://nobody@127.0.0.1:1/nothing' })
  const away = { code: 'STORE_UNAVAILABLE' }
  await expect(nowhere.query('select 1')).rejects.toMatchObject(away)
  await expect(nowhere.transaction((tx) => tx.query('select 1'))).rejects.toMatchObject(away)
  await expect(nowhere.connect()).rejects.toMatchObject(away)
  await nowhere.close()
})
