/** The log lines of all jobs, in the order of the feed: see tutti.feed in the migrations. */
import { TuttiError } from '@tutti/contracts'
import type { FeedEvent } from '@tutti/engine'
import type { Pool } from 'pg'
import { columnText, textOf } from './text.ts'

interface FeedRow {
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

export const readFeed = async (
  pool: Pool,
  { after, limit, client }: { after: string | null; limit: number; client?: string },
): Promise<{ events: FeedEvent[]; cursor: string | null }> => {
  const { xid, id, seq } = after === null ? { xid: '0', id: '0', seq: '0' } : parse(after)
  const { rows } = await pool.query<FeedRow>({
    name: client === undefined ? 'feed' : 'feed_of_client',
    text: `SELECT f.xid::text, f.id, f.job_id, f.client, j.blueprint, e.seq, e.at, e.type, e.state, e.data
           FROM tutti.feed f
           JOIN tutti.jobs j ON j.id = f.job_id AND j.created_at = f.job_created
           JOIN tutti.events e ON e.job_id = f.job_id AND e.seq BETWEEN f.first_seq AND f.last_seq
           WHERE f.xid < pg_snapshot_xmin(pg_current_snapshot()) AND (f.xid, f.id) >= ($1::xid8, $2::bigint)
             AND ((f.xid, f.id) > ($1::xid8, $2::bigint) OR e.seq > $3::int) ${client === undefined ? '' : 'AND f.client = $5'}
           ORDER BY f.xid, f.id, e.seq LIMIT $4`,
    values: [xid, id, seq, limit, ...(client === undefined ? [] : [columnText(client)])],
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
    cursor: `${row.xid}_${row.id}_${row.seq}`,
  }))
  return { events, cursor: events.at(-1)?.cursor ?? after }
}

const parse = (cursor: string): { xid: string; id: string; seq: string } => {
  const [, xid, id, seq] = /^(\d{1,19})_(\d{1,18})_(\d{1,9})$/.exec(cursor) ?? []
  if (xid === undefined || id === undefined || seq === undefined)
    throw new TuttiError('INVALID_QUERY', 'The cursor is not one that the feed gave', { path: 'query.after' })
  return { xid, id, seq }
}
