/**
 * Tasks in the hands of workers: leasing, prolonging, giving back. Rows are locked in the order of their ids, as a commit does:
 * a heartbeat that met a batch of results of its own worker could otherwise wait for it while it waits for the heartbeat.
 */
import type { LeasedTask, LostLease, TaskRequest } from '@tutti/engine'
import type { Pool } from 'pg'
import type { TaskBody } from './commit.ts'
import { columnText, listOfKeys, textOf } from './text.ts'

interface TaskRow {
  poll: number
  id: string
  queue: string
  queue_name: string | null
  priority: number
  concurrency_limit: number
  timeout_ms: string | null
  token: string
  expires_at: string
  deadline_at: string | null
  attempt: number
  visible_at: string
  pickup_by: string | null
  body: string
}

/** The best tasks for each poll, in one round trip. */
export const leaseTasks = async (pool: Pool, requests: TaskRequest[]): Promise<LeasedTask[][]> => {
  const { rows } = await pool.query<TaskRow>({
    name: 'lease_tasks',
    text: 'SELECT * FROM tutti.lease_tasks($1, $2, $3, $4)',
    values: [
      requests.map((request) => columnText(request.worker)),
      requests.map((request) => listOfKeys(request.queues)),
      requests.map((request) => request.max),
      requests.map((request) => request.leaseMs),
    ],
  })
  const answers: LeasedTask[][] = requests.map(() => [])
  for (const row of rows) answers[row.poll - 1]?.push(leaseOf(row, requests[row.poll - 1]?.worker ?? ''))
  return answers
}

const leaseOf = (row: TaskRow, worker: string): LeasedTask => {
  const body = JSON.parse(row.body) as TaskBody
  return {
    task: {
      id: row.id,
      ...body,
      queue: textOf(row.queue_name ?? row.queue),
      priority: row.priority,
      attempt: row.attempt,
      timeoutMs: row.timeout_ms === null ? null : Number(row.timeout_ms),
      concurrencyLimit: row.concurrency_limit,
      visibleAt: Number(row.visible_at),
      pickupBy: row.pickup_by === null ? null : Number(row.pickup_by),
    },
    worker,
    token: row.token,
    expiresAt: Number(row.expires_at),
    deadlineAt: row.deadline_at === null ? null : Number(row.deadline_at),
  }
}

export const renew = async (
  pool: Pool,
  { worker, taskIds, leaseMs }: { worker: string; taskIds?: string[]; leaseMs: number },
): Promise<string[]> => {
  const { rows } = await pool.query<{ id: string }>({
    name: 'renew',
    text: `WITH mine AS (SELECT id FROM tutti.tasks
                         WHERE state = 'leased' AND worker = $1 AND ($2::text[] IS NULL OR id = ANY ($2))
                         ORDER BY id FOR UPDATE)
           UPDATE tutti.tasks t SET expires_at = greatest(expires_at, least(tutti.now_ms() + $3::bigint, deadline_at))
           FROM mine WHERE t.id = mine.id RETURNING t.id`,
    values: [columnText(worker), taskIds?.map(columnText) ?? null, leaseMs],
  })
  return rows.map((row) => row.id)
}

export const held = async (pool: Pool, worker: string, taskId: string): Promise<string | undefined> => {
  const { rows } = await pool.query<{ token: string }>(
    `SELECT token FROM tutti.tasks WHERE id = $1 AND worker = $2 AND state = 'leased'`,
    [columnText(taskId), columnText(worker)],
  )
  return rows[0]?.token
}

export const release = async (pool: Pool, leases: [taskId: string, token: string][]): Promise<void> => {
  await pool.query(
    `WITH held AS (
       SELECT t.id FROM unnest($1::text[], $2::text[]) AS r (id, token)
       JOIN tutti.tasks t ON t.id = r.id AND t.token = r.token AND t.state = 'leased' ORDER BY t.id FOR UPDATE OF t
     ), freed AS (
       UPDATE tutti.tasks t SET state = 'queued', worker = NULL, token = NULL, expires_at = NULL, deadline_at = NULL
       FROM held WHERE t.id = held.id RETURNING t.queue)
     SELECT tutti.tell((SELECT array_agg(queue) FROM freed), NULL, NULL, NULL)`,
    [leases.map(([taskId]) => columnText(taskId)), leases.map(([, token]) => columnText(token))],
  )
}

export const expireLeases = async (pool: Pool, worker: string): Promise<void> => {
  await pool.query(
    `WITH held AS (
       SELECT id FROM tutti.tasks WHERE worker = $1 AND state = 'leased' ORDER BY id FOR UPDATE
     ), ended AS (UPDATE tutti.tasks t SET expires_at = tutti.now_ms() FROM held WHERE t.id = held.id RETURNING 1)
     SELECT tutti.tell(NULL, NULL, NULL, tutti.now_ms()) WHERE EXISTS (SELECT FROM ended)`,
    [columnText(worker)],
  )
}

interface LostRow {
  id: string
  job_id: string
  attempt: number
  token: string
  worker: string
  timed_out: boolean
}

/**
 * Leases that ended without an answer, and tasks that nobody picked up. They are moved on by `leaseMs`, so that other instances
 * keep off meanwhile; a task that nobody picked up gets a lease (to nobody) by that.
 */
export const leaseLost = async (pool: Pool, limit: number, leaseMs: number): Promise<LostLease[]> => {
  const { rows } = await pool.query<LostRow>({
    name: 'lease_lost',
    text: `WITH ended AS (
             SELECT id FROM tutti.tasks WHERE state = 'leased' AND expires_at <= (SELECT tutti.now_ms())
             ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
           ), left_lying AS (
             SELECT id FROM tutti.tasks WHERE state <> 'leased' AND pickup_by <= (SELECT tutti.now_ms())
             ORDER BY pickup_by LIMIT $1::int - (SELECT count(*) FROM ended) FOR UPDATE SKIP LOCKED)
           UPDATE tutti.tasks t SET expires_at = tutti.now_ms() + $2::bigint, state = 'leased', worker = coalesce(worker, ''),
             token = coalesce(token, gen_random_uuid()::text)
           WHERE id IN (SELECT id FROM ended UNION ALL SELECT id FROM left_lying)
           RETURNING t.id, t.job_id, t.attempt, t.token, t.worker, coalesce(t.deadline_at <= tutti.now_ms(), false) AS timed_out`,
    values: [limit, leaseMs],
  })
  return rows.map((row) => ({
    jobId: row.job_id,
    taskId: row.id,
    attempt: row.attempt,
    token: row.token,
    worker: textOf(row.worker),
    reason: row.worker === '' ? 'not_picked_up' : row.timed_out ? 'timed_out' : 'lease_expired',
  }))
}
