/** A fresh database for a test, on the PostgreSQL that the test run started. */
import pg from 'pg'

export { type TestRedis, testRedis } from './redis.ts'

export interface TestDatabase {
  connectionString: string
  drop(): Promise<void>
}

/** @throws when the test run has not started a PostgreSQL (see test/postgres.ts) */
export const testDatabase = async (): Promise<TestDatabase> => {
  const base = process.env.TUTTI_TEST_POSTGRES
  if (!base)
    throw new Error('TUTTI_TEST_POSTGRES is not set: run the tests through vitest at the root of the repository')
  const name = `test_${crypto.randomUUID().replaceAll('-', '')}`
  const admin = async (text: string): Promise<void> => {
    const client = new pg.Client({ connectionString: base })
    await client.connect()
    try {
      await client.query(text)
    } finally {
      await client.end()
    }
  }
  await admin(`CREATE DATABASE ${name}`)
  return {
    connectionString: base.replace(/\/[^/?]+\?/, `/${name}?`),
    drop: () => admin(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  }
}
