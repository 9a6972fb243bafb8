/** Looking at the whole of the Store, and keeping it from growing for ever. */
import { type JobStatus, terminalStatuses } from '@tutti/contracts'
import type { StoreStats } from '@tutti/engine'
import type { Pool } from 'pg'
import { columnText, isUuid, textOf } from './text.ts'

export const listQueues = async (pool: Pool): Promise<string[]> => {
  const { rows } = await pool.query<{ name: string }>({
    name: 'list_queues',
    text: 'SELECT coalesce(name, queue) AS name FROM tutti.queues',
  })
  return rows.map(({ name }) => textOf(name))
}

/** Reads all jobs and tasks once: for dashboards, not for every request. */
export const readStats = async (pool: Pool, client: string | null): Promise<StoreStats> => {
  const of = client === null ? null : columnText(client)
  const [jobs, queues] = await Promise.all([
    pool.query<{ status: JobStatus; n: string }>(
      `SELECT status, count(*) AS n FROM tutti.jobs ${of === null ? '' : 'WHERE client = $1'} GROUP BY status`,
      of === null ? [] : [of],
    ),
    pool.query<{ name: string; waiting: string; leased: string; oldest: string | null }>(
      `SELECT coalesce(min(t.queue_name), t.queue) AS name,
              count(*) FILTER (WHERE t.state <> 'leased' OR t.worker = '') AS waiting,
              count(*) FILTER (WHERE t.state = 'leased' AND t.worker <> '') AS leased,
              min(t.waiting_since) FILTER (WHERE t.state <> 'leased' OR t.worker = '') AS oldest
       FROM tutti.tasks t ${of === null ? '' : 'JOIN tutti.jobs j ON j.id = t.job_id AND j.client = $1'} GROUP BY t.queue`,
      of === null ? [] : [of],
    ),
  ])
  return {
    jobs: Object.fromEntries(jobs.rows.map(({ status, n }) => [status, Number(n)])),
    queues: queues.rows.map(({ name, waiting, leased, oldest }) => ({
      queue: textOf(name),
      waiting: Number(waiting),
      leased: Number(leased),
      oldestAt: oldest === null ? null : Number(oldest),
    })),
  }
}

/** Their feed lines are told of no more, and go when they are old enough. */
export const removeJobs = async (pool: Pool, ids: string[]): Promise<string[]> => {
  const { rows } = await pool.query<{ id: string }>({
    name: 'remove_jobs',
    text: `WITH over AS (
             SELECT id FROM tutti.jobs WHERE id = ANY ($1::uuid[]) AND status = ANY ($2::text[]) ORDER BY id FOR UPDATE
           ), lines AS (DELETE FROM tutti.events e USING over WHERE e.job_id = over.id
           ), messages AS (DELETE FROM tutti.timers t USING over WHERE t.job_id = over.id)
           DELETE FROM tutti.jobs j USING over WHERE j.id = over.id RETURNING j.id`,
    values: [ids.filter(isUuid), terminalStatuses],
  })
  const removed = new Set(rows.map(({ id }) => id))
  return [...new Set(ids)].filter((id) => removed.has(id.toLowerCase()))
}

/** Rows per statement: none may last so long that it reaches the time-out. */
const chunk = 5_000

export const purge = async (
  pool: Pool,
  { finishedBefore, feedBefore, limit }: { finishedBefore: number; feedBefore: number; limit: number },
): Promise<string[]> => {
  const untilDone = async (text: string, values: unknown[]): Promise<void> => {
    let removed: number
    do removed = (await pool.query(text, values)).rowCount ?? 0
    while (removed >= chunk)
  }
  // From the oldest on: those of one time lie together, so that nothing is read that stays, but for the last chunk.
  await untilDone(
    `DELETE FROM tutti.feed f USING (SELECT era, xid, id, stored_at FROM tutti.feed ORDER BY era, xid, id LIMIT ${chunk}) oldest
     WHERE f.era = oldest.era AND f.xid = oldest.xid AND f.id = oldest.id AND oldest.stored_at < $1`,
    [feedBefore],
  )
  const expired = `SELECT kind, id FROM tutti.records WHERE expires_at <= (SELECT tutti.now_ms()) LIMIT ${chunk} FOR UPDATE SKIP LOCKED`
  await untilDone(`DELETE FROM tutti.records r USING (${expired}) e WHERE r.kind = e.kind AND r.id = e.id`, [])
  const fresh = `SELECT key FROM tutti.budgets WHERE fresh_at <= (SELECT tutti.now_ms()) LIMIT ${chunk} FOR UPDATE SKIP LOCKED`
  await untilDone(`DELETE FROM tutti.budgets b USING (${fresh}) f WHERE b.key = f.key`, [])
  await pool.query('DELETE FROM tutti.workers WHERE expires_at <= (SELECT tutti.now_ms())')
  await forgetQueues(pool)
  const { rows } = await pool.query<{ id: string }>(
    'SELECT id FROM tutti.jobs WHERE finished_at < $1 ORDER BY finished_at LIMIT $2',
    [finishedBefore, limit],
  )
  return rows.length === 0
    ? []
    : removeJobs(
        pool,
        rows.map(({ id }) => id),
      )
}

/**
 * Without keeping commits waiting while it reads all tasks: queues that seem empty are marked; when all have ended who can have
 * missed the mark, those go that are empty and still marked. Whoever brings a task for one takes the mark away.
 */
const forgetQueues = async (pool: Pool): Promise<void> => {
  const empty = 'NOT EXISTS (SELECT FROM tutti.tasks t WHERE t.queue = q.queue)'
  const { rowCount } = await pool.query(`UPDATE tutti.queues q SET fading = true WHERE ${empty}`)
  if (rowCount === 0) return
  await pool.query(`SELECT pg_advisory_xact_lock(hashtextextended('tutti.queues', 0))`)
  await pool.query(`DELETE FROM tutti.queues q WHERE fading AND ${empty}`)
}
