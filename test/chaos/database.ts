/** One real PostgreSQL, durable, that can be ended in the middle of everything. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { startBuiltInPostgres } from '@tutti/stores/built-in-postgres'
import pg from 'pg'

export interface Database {
  url: string
  dataDir: string
  /** SIGQUIT is its immediate mode; after SIGKILL its children have to find out. */
  end(signal: 'SIGQUIT' | 'SIGKILL'): Promise<void>
  start(): Promise<void>
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>
  close(): Promise<void>
}

export const startDatabase = async (dataDir: string): Promise<Database> => {
  let server = await startBuiltInPostgres({ dataDir })
  const url = server.connectionString
  return {
    ...{ url, dataDir },
    end: async (signal) => {
      const [pid] = (await readFile(join(dataDir, 'cluster', 'postmaster.pid'), 'utf8')).split('\n')
      process.kill(Number(pid), signal)
    },
    start: async () => {
      // Refused until the last of the former processes has gone.
      for (const until = performance.now() + 60_000; ; )
        try {
          server = await startBuiltInPostgres({ dataDir })
          return
        } catch (error) {
          if (performance.now() > until) throw error
          await delay(100)
        }
    },
    query: async <Row extends pg.QueryResultRow>(text: string, values?: unknown[]) => {
      const client = new pg.Client({ connectionString: url })
      await client.connect()
      try {
        return (await client.query<Row>(text, values)).rows
      } finally {
        await client.end()
      }
    },
    close: () => server.stop(),
  }
}
