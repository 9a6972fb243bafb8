/** A fresh database for a test, on the PostgreSQL that the test run started. */
import pg from 'pg'

export { freePort } from './free-port.ts'
export { type TestRedis, testRedis } from './redis.ts'

export interface TestDatabase {
  connectionString: string
  drop(): Promise<void>
}

/**
 * @param template a database of that server that it begins as a copy of; empty when left out. The schema of the workbench takes 120 ms of
 * processor time to make by its migrations, a copy of it 20.
 * @throws when the test run has not started a PostgreSQL (see test/postgres.ts)
 */
export const testDatabase = async (template?: 'workbench'): Promise<TestDatabase> => {
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
  // Copied as files: through the log, as it is done where nothing is said, it takes twice as long.
  await admin(`CREATE DATABASE ${name} TEMPLATE ${template ?? 'template1'} STRATEGY FILE_COPY`)
  return {
    connectionString: base.replace(/\/[^/?]+\?/, `/${name}?`),
    drop: () => admin(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  }
}
