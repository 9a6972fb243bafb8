/** The log lines of all jobs, in the order of the feed: see tutti.feed in the migrations. */
import { TuttiError } from '@tutti/contracts'
import type { FeedEvent } from '@tutti/engine'
import type { Pool } from 'pg'
import { columnText, textOf } from './text.ts'

interface FeedRow {
  era: number
  xid: string
  id: string
  job_id: string
  client: string
  blueprint: string
  seq: number
  at: string
  type: string
  state: string
  data: string
}

/**
 * Begins a new era if the newest lines come from transactions that this server has not reached: it was restored from another
 * one's backup, and a reader would find nothing new for as long as it takes to catch up.
 */
export const beginEra = async (pool: Pool): Promise<void> => {
  await pool.query(
    `UPDATE tutti.era SET n = n + 1
     WHERE (SELECT f.xid FROM tutti.feed f WHERE f.era = n ORDER BY f.xid DESC LIMIT 1) >= pg_snapshot_xmax(pg_current_snapshot())`,
  )
}

export const readFeed = async (
  pool: Pool,
  { after, limit, client }: { after: string | null; limit: number; client?: string },
): Promise<{ events: FeedEvent[]; cursor: string | null }> => {
  const { era, xid, id, seq } = after === null ? { era: '0', xid: '0', id: '0', seq: '0' } : parse(after)
  const { rows } = await pool.query<FeedRow>({
    name: client === undefined ? 'feed' : 'feed_of_client',
    text: `SELECT f.era, f.xid::text, f.id, f.job_id, f.client, j.blueprint, e.seq, e.at, e.type, e.state, e.data
           FROM tutti.feed f
           JOIN tutti.jobs j ON j.id = f.job_id AND j.created_at = f.job_created
           JOIN tutti.events e ON e.job_id = f.job_id AND e.seq BETWEEN f.first_seq AND f.last_seq
           WHERE (f.era < (SELECT n FROM tutti.era) OR f.xid < pg_snapshot_xmin(pg_current_snapshot()))
             AND (f.era, f.xid, f.id) >= ($1::int, $2::xid8, $3::bigint)
             AND ((f.era, f.xid, f.id) > ($1::int, $2::xid8, $3::bigint) OR e.seq > $4::int)
             ${client === undefined ? '' : 'AND f.client = $6'}
           ORDER BY f.era, f.xid, f.id, e.seq LIMIT $5`,
    values: [era, xid, id, seq, limit, ...(client === undefined ? [] : [columnText(client)])],
  })
  const events = rows.map((row) => ({
    jobId: row.job_id,
    seq: row.seq,
    at: Number(row.at),
    type: row.type,
    state: textOf(row.state),
    data: JSON.parse(row.data) as FeedEvent['data'],
    client: textOf(row.client),
    blueprint: row.blueprint,
    cursor: `${row.era}_${row.xid}_${row.id}_${row.seq}`,
  }))
  return { events, cursor: events.at(-1)?.cursor ?? after }
}

const parse = (cursor: string): { era: string; xid: string; id: string; seq: string } => {
  const [, era, xid, id, seq] = /^(\d{1,9})_(\d{1,19})_(\d{1,18})_(\d{1,9})$/.exec(cursor) ?? []
  if (era === undefined || xid === undefined || id === undefined || seq === undefined)
    throw new TuttiError('INVALID_QUERY', 'The cursor is not one that the feed gave', { path: 'query.after' })
  return { era, xid, id, seq }
}

/** Behind the newest line that a reader would be shown. */
export const readFeedEnd = async (pool: Pool): Promise<string | null> => {
  const { rows } = await pool.query<{ era: number; xid: string; id: string; last_seq: number }>({
    name: 'feed_end',
    text: `SELECT era, xid::text, id, last_seq FROM tutti.feed
           WHERE era < (SELECT n FROM tutti.era) OR xid < pg_snapshot_xmin(pg_current_snapshot())
           ORDER BY era DESC, xid DESC, id DESC LIMIT 1`,
  })
  const [newest] = rows
  return newest ? `${newest.era}_${newest.xid}_${newest.id}_${newest.last_seq}` : null
}
