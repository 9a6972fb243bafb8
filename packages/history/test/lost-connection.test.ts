import { testDatabase } from '@tutti/stores/testing'
import pg from 'pg'
import { expect, test } from 'vitest'
import { openPostgresArchive } from '../src/postgres.ts'

test('server-that-goes-away-within-a-transaction-fails-it-and-not-the-process', async () => {
  const database = await testDatabase()
  const other = new pg.Client({ connectionString: database.connectionString })
  await other.connect()
  const archive = await openPostgresArchive({ connectionString: database.connectionString })
  try {
    await other.query('BEGIN')
    await other.query('LOCK TABLE tutti_history.position IN ACCESS EXCLUSIVE MODE')
    const cut = expect(archive.append([], 'first')).rejects.toThrow()
    const terminated = async (): Promise<number> =>
      (
        await other.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE datname = current_database() AND pid <> pg_backend_pid() AND wait_event_type = 'Lock'`,
        )
      ).rowCount ?? 0
    await expect.poll(terminated).toBe(1)
    await cut
    await other.query('ROLLBACK')
    await archive.append([], 'second')
    expect(await archive.position()).toBe('second')
  } finally {
    await archive.close()
    await other.end()
    await database.drop()
  }
})
