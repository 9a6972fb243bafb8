/** Reading and leasing jobs, and their logs. */
import type { BlueprintVersion, Job, JobEvent, JobQuery } from '@tutti/engine'
import type { Pool } from 'pg'
import { cursorOf, parseCursor } from '../cursor.ts'
import { jobFrom } from '../job-body.ts'
import { columnText, isUuid, textOf } from './text.ts'

interface JobRow {
  body: string
  rev: string
  wake_at: string | null
}

/** The columns win over the body: leasing a job changes them alone. */
const jobOf = (row: JobRow): Job =>
  jobFrom(row.body, { rev: Number(row.rev), wakeAt: row.wake_at === null ? null : Number(row.wake_at) })

export const readJobs = async (pool: Pool, ids: string[]): Promise<(Job | undefined)[]> => {
  const { rows } = await pool.query<JobRow & { id: string }>({
    name: 'read_jobs',
    text: 'SELECT id, body, rev, wake_at FROM tutti.jobs WHERE id = ANY ($1::uuid[])',
    values: [ids.filter(isUuid)],
  })
  const found = new Map(rows.map((row) => [row.id, row]))
  return ids.map((id) => {
    // The database writes ids in lower case.
    const row = found.get(id.toLowerCase())
    return row && jobOf(row)
  })
}

export const listJobs = async (pool: Pool, query: JobQuery): Promise<{ jobs: Job[]; cursor: string | null }> => {
  const conditions: string[] = []
  const values: unknown[] = []
  const where = (condition: (parameter: string) => string, value: unknown): void => {
    values.push(value)
    conditions.push(condition(`$${values.length}`))
  }
  if (query.client !== null) where((p) => `client = ${p}`, columnText(query.client))
  if (query.statuses !== undefined) where((p) => `status = ANY (${p}::text[])`, query.statuses)
  if (query.blueprint !== undefined) where((p) => `blueprint = ${p}`, query.blueprint)
  for (const label of query.labels ?? [])
    where((p) => `labels <> '{}' AND labels @> ARRAY[${p}]::text[]`, columnText(label))
  if (query.createdFrom !== undefined) where((p) => `created_at >= ${p}::bigint`, query.createdFrom)
  if (query.createdBefore !== undefined) where((p) => `created_at < ${p}::bigint`, query.createdBefore)
  if (query.cursor !== undefined) {
    const { at, id } = parseCursor(query.cursor)
    values.push(at, id)
    conditions.push(`(created_at, id) < ($${values.length - 1}::bigint, $${values.length}::uuid)`)
  }
  const { rows } = await pool.query<JobRow>(
    `SELECT body, rev, wake_at FROM tutti.jobs ${conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : ''}
     ORDER BY created_at DESC, id DESC LIMIT ${query.limit + 1}`,
    values,
  )
  const jobs = rows.slice(0, query.limit).map(jobOf)
  const last = jobs.at(-1)
  return { jobs, cursor: rows.length > query.limit && last ? cursorOf(last) : null }
}

export const leaseJobs = async (
  pool: Pool,
  { blueprints, limit, leaseMs }: { blueprints: BlueprintVersion[]; limit: number; leaseMs: number },
): Promise<Job[]> => {
  const { rows } = await pool.query<JobRow>({
    name: 'lease_jobs',
    text: `UPDATE tutti.jobs j SET rev = rev + 1, wake_at = tutti.now_ms() + $4::bigint
           FROM (SELECT id FROM tutti.jobs WHERE wake_at <= (SELECT tutti.now_ms()) AND (blueprint, version) IN (SELECT * FROM unnest($1::text[], $2::int[]))
                 ORDER BY wake_at LIMIT $3 FOR UPDATE SKIP LOCKED) due
           WHERE j.id = due.id RETURNING j.body, j.rev, j.wake_at`,
    values: [blueprints.map(({ name }) => name), blueprints.map(({ version }) => version), limit, leaseMs],
  })
  return rows.map(jobOf)
}

export const readEvents = async (pool: Pool, jobId: string, since: number, limit: number): Promise<JobEvent[]> => {
  if (!isUuid(jobId)) return []
  const { rows } = await pool.query<{ seq: number; at: string; type: string; state: string; data: string }>({
    name: 'read_events',
    text: 'SELECT seq, at, type, state, data FROM tutti.events WHERE job_id = $1 AND seq > $2 ORDER BY seq LIMIT $3',
    values: [jobId, since, limit],
  })
  return rows.map((row) => ({
    jobId,
    seq: row.seq,
    at: Number(row.at),
    type: row.type,
    state: textOf(row.state),
    data: JSON.parse(row.data) as JobEvent['data'],
  }))
}
