/** The archive in a PostgreSQL database: for several instances. It may be the Store's own; the tables stand in a schema of their own. */
import type { FeedEvent } from '@tutti/engine'
import pg from 'pg'
import { columns, cursorOf, eventOf, type Row, valuesOf } from './columns.ts'
import type { HistoryArchive } from './port.ts'
import { eventsQuery, latestQuery } from './query.ts'
import { checkLayout, layout, tables } from './schema.ts'

const schema = 'tutti_history'
const table = `${schema}.events`
const parameter = (n: number): string => `$${n}`

export interface PostgresArchiveOptions {
  connectionString: string
  /** Told of lost connections, which come back by themselves. */
  onError?: (error: unknown) => void
}

/** Connects, and makes the tables where they are missing. */
export const openPostgresArchive = async ({
  connectionString,
  onError = () => {},
}: PostgresArchiveOptions): Promise<HistoryArchive> => {
  const pool = new pg.Pool({ connectionString, max: 4, keepAlive: true, statement_timeout: 30_000 })
  pool.on('error', onError)
  // The pool hears of idle connections only; one that is lost within a transaction would end the process.
  pool.on('connect', (client) => client.on('error', () => {}))
  try {
    await prepare(pool)
  } catch (error) {
    await pool.end()
    throw error
  }
  const read = async ({ text, values }: { text: string; values: (string | number)[] }) =>
    (await pool.query<Row>(text, values)).rows.map(eventOf)

  return {
    position: async () => {
      const { rows } = await pool.query<{ cursor: string }>(`SELECT cursor FROM ${schema}.position WHERE id = 1`)
      return rows[0]?.cursor ?? null
    },
    append: async (events: FeedEvent[], position) => {
      const client = await pool.connect()
      try {
        await client.query('BEGIN')
        await insert(client, events)
        await client.query(
          `INSERT INTO ${schema}.position (id, cursor, layout) VALUES (1, $1, $2)
           ON CONFLICT (id) DO UPDATE SET cursor = $1, layout = $2`,
          [position, layout],
        )
        await client.query('COMMIT')
      } catch (error) {
        await client.query('ROLLBACK').catch(() => {})
        throw error
      } finally {
        client.release()
      }
    },
    jobEvents: (jobId, since, limit) =>
      read({
        text: `SELECT * FROM ${table} WHERE job_id = $1 AND seq > $2 ORDER BY seq LIMIT $3`,
        values: [jobId, since, limit],
      }),
    events: async (query) => {
      const found = await read(eventsQuery(table, query, parameter))
      const page = found.slice(0, query.limit)
      const last = page.at(-1)
      return { events: page, cursor: found.length > page.length && last ? cursorOf(last) : null }
    },
    latest: (query) => read(latestQuery(table, query, parameter)),
    archivedUpTo: async () => {
      const { rows } = await pool.query<{ at: string | null }>(`SELECT max(at) AS at FROM ${table}`)
      const at = rows[0]?.at ?? null
      return at === null ? null : Number(at)
    },
    purge: async (before, limit) => {
      const { rowCount } = await pool.query(
        `DELETE FROM ${table} WHERE (job_id, seq) IN (SELECT job_id, seq FROM ${table} WHERE at < $1 ORDER BY at LIMIT $2)`,
        [before, limit],
      )
      return rowCount ?? 0
    },
    close: () => pool.end(),
  }
}

const prepare = async (pool: pg.Pool): Promise<void> => {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    // Instances that start together would both make the tables, and one would fail.
    await client.query('SELECT pg_advisory_xact_lock(hashtext($1))', [schema])
    await client.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`)
    for (const statement of tables(`${schema}.`)) await client.query(statement)
    const { rows } = await client.query<{ layout: number }>(`SELECT layout FROM ${schema}.position WHERE id = 1`)
    checkLayout(rows[0]?.layout)
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    throw error
  } finally {
    client.release()
  }
}

/** A column each as an array: one round trip, whatever the number of lines. */
const insert = async (client: pg.PoolClient, events: FeedEvent[]): Promise<void> => {
  const rows = events.map(valuesOf)
  const types: Partial<Record<(typeof columns)[number], string>> = {
    seq: 'int',
    attempt: 'int',
    at: 'bigint',
    duration_ms: 'bigint',
  }
  await client.query(
    `INSERT INTO ${table} (${columns.join(', ')})
     SELECT * FROM unnest(${columns.map((name, at) => `$${at + 1}::${types[name] ?? 'text'}[]`).join(', ')}) ON CONFLICT DO NOTHING`,
    columns.map((_, at) => rows.map((row) => row[at] ?? null)),
  )
}
