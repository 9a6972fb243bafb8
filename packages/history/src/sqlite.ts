/** The archive in a SQLite file: for one machine, and for taking along. */
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { FeedEvent } from '@tutti/engine'
import { columns, cursorOf, eventOf, type Row, valuesOf } from './columns.ts'
import type { HistoryArchive } from './port.ts'
import { eventsQuery, latestQuery } from './query.ts'
import { checkLayout, layout, tables } from './schema.ts'

const parameter = (n: number): string => `?${n}`

/** Opens or makes the file, and its folder. @throws when the file is no database, or of a newer layout */
export const openSqliteArchive = (file: string): HistoryArchive => {
  if (file !== ':memory:') mkdirSync(dirname(file), { recursive: true })
  const db = new DatabaseSync(file)
  try {
    return archiveIn(db)
  } catch (error) {
    db.close()
    throw error
  }
}

const archiveIn = (db: DatabaseSync): HistoryArchive => {
  // WAL lets readers go on while lines are written; with it NORMAL loses nothing but the newest commits in a power cut, and those
  // are read from the Store's feed again, because the position went with them.
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000')
  for (const statement of tables('')) db.exec(statement)
  const place = () => db.prepare('SELECT cursor, layout FROM position WHERE id = 1').get() as Place | undefined
  checkLayout(place()?.layout)
  const insert = db.prepare(
    `INSERT INTO events (${columns.join(', ')}) VALUES (${columns.map((_, at) => parameter(at + 1)).join(', ')}) ON CONFLICT DO NOTHING`,
  )
  const move = db.prepare(
    'INSERT INTO position (id, cursor, layout) VALUES (1, ?1, ?2) ON CONFLICT (id) DO UPDATE SET cursor = ?1, layout = ?2',
  )
  const rows = ({ text, values }: { text: string; values: (string | number)[] }): Row[] =>
    db.prepare(text).all(...values) as unknown as Row[]

  return {
    position: async () => place()?.cursor ?? null,
    append: async (events: FeedEvent[], position) => {
      db.exec('BEGIN IMMEDIATE')
      try {
        for (const event of events) insert.run(...valuesOf(event))
        move.run(position, layout)
        db.exec('COMMIT')
      } catch (error) {
        db.exec('ROLLBACK')
        throw error
      }
    },
    jobEvents: async (jobId, since, limit) =>
      rows({
        text: 'SELECT * FROM events WHERE job_id = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3',
        values: [jobId, since, limit],
      }).map(eventOf),
    events: async (query) => {
      const found = rows(eventsQuery('events', query, parameter)).map(eventOf)
      const page = found.slice(0, query.limit)
      const last = page.at(-1)
      return { events: page, cursor: found.length > page.length && last ? cursorOf(last) : null }
    },
    latest: async (query) => rows(latestQuery('events', query, parameter)).map(eventOf),
    archivedUpTo: async () => {
      const row = db.prepare('SELECT max(at) AS at FROM events').get() as { at: number | null } | undefined
      return row?.at ?? null
    },
    purge: async (before, limit) =>
      Number(
        db
          .prepare(
            'DELETE FROM events WHERE (job_id, seq) IN (SELECT job_id, seq FROM events WHERE at < ?1 ORDER BY at LIMIT ?2)',
          )
          .run(before, limit).changes,
      ),
    close: async () => db.close(),
  }
}

interface Place {
  cursor: string
  layout: number
}
