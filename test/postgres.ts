/**
 * Starts the real PostgreSQL that the tests use, once for all of them, and removes it afterwards. In it stands the database `workbench`,
 * migrated, of which tests get copies.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startBuiltInPostgres } from '@tutti/stores/built-in-postgres'
import { createDatabase, migrate } from '@tutti/workbench'

export default async (): Promise<() => Promise<void>> => {
  const dataDir = await mkdtemp(join(tmpdir(), 'tutti-test-pg-'))
  const postgres = await startBuiltInPostgres({ dataDir, durable: false })
  const template = createDatabase({ connectionString: await postgres.createDatabase('workbench') })
  await migrate(template)
  await template.close()
  // Found by `testDatabase` of @tutti/stores/testing, in whichever worker a test runs.
  process.env.TUTTI_TEST_POSTGRES = postgres.connectionString
  return async () => {
    await postgres.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
}
