import type { WorkerRecord } from '@tutti/engine'
import type { Pool } from 'pg'
import { columnText } from './text.ts'

interface WorkerRow {
  id: string
  boot_id: string | null
  skills: string[]
  info: string
  registered_at: string
  last_seen_at: string
  expires_at: string
}

const workerOf = (row: WorkerRow): WorkerRecord => ({
  id: row.id,
  bootId: row.boot_id,
  skills: row.skills,
  info: JSON.parse(row.info) as WorkerRecord['info'],
  registeredAt: Number(row.registered_at),
  lastSeenAt: Number(row.last_seen_at),
  expiresAt: Number(row.expires_at),
})

export const putWorker = async (pool: Pool, worker: WorkerRecord): Promise<WorkerRecord | undefined> => {
  const { rows } = await pool.query<WorkerRow>({
    name: 'put_worker',
    text: `WITH former AS (SELECT * FROM tutti.workers WHERE id = $1), put AS (
             INSERT INTO tutti.workers (id, boot_id, skills, info, registered_at, last_seen_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (id) DO UPDATE SET boot_id = $2, skills = $3, info = $4, registered_at = $5, last_seen_at = $6, expires_at = $7)
           SELECT * FROM former`,
    values: [
      columnText(worker.id),
      worker.bootId === null ? null : columnText(worker.bootId),
      worker.skills.map(columnText),
      JSON.stringify(worker.info),
      worker.registeredAt,
      worker.lastSeenAt,
      worker.expiresAt,
    ],
  })
  return rows[0] && workerOf(rows[0])
}

export const readWorker = async (pool: Pool, id: string): Promise<WorkerRecord | undefined> => {
  const { rows } = await pool.query<WorkerRow>({
    name: 'read_worker',
    text: 'SELECT * FROM tutti.workers WHERE id = $1 AND expires_at > tutti.now_ms()',
    values: [columnText(id)],
  })
  return rows[0] && workerOf(rows[0])
}

export const listWorkers = async (pool: Pool): Promise<WorkerRecord[]> => {
  const { rows } = await pool.query<WorkerRow>(
    'SELECT * FROM tutti.workers WHERE expires_at > tutti.now_ms() ORDER BY id',
  )
  return rows.map(workerOf)
}
