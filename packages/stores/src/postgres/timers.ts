/** What is due, and when the next thing is. */
import type { BlueprintVersion, Timer } from '@tutti/engine'
import type { Pool } from 'pg'
import { columnText } from './text.ts'

export const leaseTimers = async (pool: Pool, limit: number, leaseMs: number): Promise<Timer[]> => {
  const { rows } = await pool.query<{ id: string; job_id: string; due_at: string; body: string }>({
    name: 'lease_timers',
    text: `UPDATE tutti.timers t SET due_at = tutti.now_ms() + $2::bigint
           FROM (SELECT id, due_at FROM tutti.timers WHERE due_at <= (SELECT tutti.now_ms())
                 ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED) due
           WHERE t.id = due.id RETURNING t.id, t.job_id, due.due_at, t.body`,
    values: [limit, leaseMs],
  })
  return rows.map((row) => ({
    id: row.id,
    jobId: row.job_id,
    dueAt: Number(row.due_at),
    cause: JSON.parse(row.body) as Timer['cause'],
  }))
}

export const dropTimers = async (pool: Pool, ids: string[]): Promise<void> => {
  await pool.query('DELETE FROM tutti.timers WHERE id = ANY ($1)', [ids])
}

/** Looks at the heads of indexes. */
export const nextDue = async (pool: Pool, blueprints: BlueprintVersion[], kinds: string[]): Promise<number | null> => {
  const { rows } = await pool.query<{ due: string | null }>({
    name: 'next_due',
    text: `SELECT least(
             (SELECT min(due_at) FROM tutti.timers),
             (SELECT min(wake_at) FROM tutti.jobs WHERE wake_at IS NOT NULL AND (blueprint, version) IN (SELECT * FROM unnest($1::text[], $2::int[]))),
             (SELECT min(expires_at) FROM tutti.tasks WHERE state = 'leased'),
             (SELECT min(pickup_by) FROM tutti.tasks WHERE state <> 'leased' AND pickup_by IS NOT NULL),
             (SELECT min(visible_at) FROM tutti.tasks WHERE state = 'queued' AND attempt > 1 AND visible_at > (SELECT tutti.now_ms())),
             (SELECT min(first.due_at) FROM unnest($3::text[]) AS k (kind), LATERAL (
                SELECT r.due_at FROM tutti.records r
                WHERE r.kind = k.kind AND r.due_at IS NOT NULL AND (r.expires_at IS NULL OR r.expires_at > (SELECT tutti.now_ms()))
                ORDER BY r.due_at LIMIT 1) first)) AS due`,
    values: [blueprints.map(({ name }) => name), blueprints.map(({ version }) => version), kinds.map(columnText)],
  })
  const due = rows[0]?.due ?? null
  return due === null ? null : Number(due)
}
