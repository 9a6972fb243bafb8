/** What is due, and when the next thing is. */
import type { BlueprintVersion, Timer } from '@tutti/engine'
import type { Pool } from 'pg'

export const leaseTimers = async (pool: Pool, limit: number, leaseMs: number): Promise<Timer[]> => {
  const { rows } = await pool.query<{ id: string; job_id: string; due_at: string; body: string }>({
    name: 'lease_timers',
    text: `UPDATE tutti.timers t SET due_at = tutti.now_ms() + $2::bigint
           FROM (SELECT id, due_at FROM tutti.timers WHERE due_at <= tutti.now_ms()
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

/** Four looks at the head of an index. */
export const nextDue = async (pool: Pool, blueprints: BlueprintVersion[]): Promise<number | null> => {
  const { rows } = await pool.query<{ due: string | null }>({
    name: 'next_due',
    text: `SELECT least(
             (SELECT min(due_at) FROM tutti.timers),
             (SELECT min(wake_at) FROM tutti.jobs WHERE wake_at IS NOT NULL AND (blueprint, version) IN (SELECT * FROM unnest($1::text[], $2::int[]))),
             (SELECT min(expires_at) FROM tutti.tasks WHERE state = 'leased'),
             (SELECT min(visible_at) FROM tutti.tasks WHERE state = 'queued' AND attempt > 1 AND visible_at > tutti.now_ms())) AS due`,
    values: [blueprints.map(({ name }) => name), blueprints.map(({ version }) => version)],
  })
  const due = rows[0]?.due ?? null
  return due === null ? null : Number(due)
}
