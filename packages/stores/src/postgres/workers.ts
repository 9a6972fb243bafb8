import type { WorkerRecord, WorkerTouch } from '@tutti/engine'
import type { Pool } from 'pg'
import { touched } from '../worker.ts'
import { columnText, textOf } from './text.ts'

interface WorkerRow {
  id: string
  boot_id: string | null
  skills: string[]
  info: string
  rev: string
  registered_at: string
  last_seen_at: string
  expires_at: string
}

const workerOf = (row: WorkerRow): WorkerRecord => ({
  id: textOf(row.id),
  bootId: row.boot_id === null ? null : textOf(row.boot_id),
  skills: row.skills.map(textOf),
  info: JSON.parse(row.info) as WorkerRecord['info'],
  registeredAt: Number(row.registered_at),
  lastSeenAt: Number(row.last_seen_at),
  expiresAt: Number(row.expires_at),
})

export const putWorker = async (pool: Pool, worker: WorkerRecord): Promise<WorkerRecord | undefined> => {
  const { rows } = await pool.query<Partial<WorkerRow> & { id: string | null }>({
    name: 'put_worker',
    text: `WITH former AS (SELECT * FROM tutti.workers WHERE id = $1), put AS (
             INSERT INTO tutti.workers (id, boot_id, skills, info, registered_at, last_seen_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (id) DO UPDATE SET boot_id = $2, skills = $3, info = $4, rev = tutti.workers.rev + 1, registered_at = $5,
               last_seen_at = $6, expires_at = $7
           ), told AS (SELECT tutti.tell(NULL, NULL, NULL, NULL, NULL, ARRAY[$1::text]))
           SELECT former.* FROM told LEFT JOIN former ON true`,
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
  const [former] = rows
  return former && former.id !== null ? workerOf(former as WorkerRow) : undefined
}

export const touchWorker = async (pool: Pool, touch: WorkerTouch): Promise<WorkerRecord | undefined> => {
  if (touch.skills === undefined && Object.keys(touch.info).length === 0) return ping(pool, touch)
  for (;;) {
    const former = await readRow(pool, touch.id)
    if (!former) return undefined
    const { record, changed } = touched(workerOf(former), touch)
    const { rows } = await pool.query<WorkerRow>({
      name: 'touch_worker',
      text: `WITH touched AS (
               UPDATE tutti.workers SET skills = $3, info = $4, last_seen_at = greatest(last_seen_at, $5), expires_at = greatest(expires_at, $6),
                 rev = rev + CASE WHEN $7 THEN 1 ELSE 0 END
               WHERE id = $1 AND rev = $2 AND expires_at > tutti.now_ms() RETURNING *
             ), told AS (SELECT tutti.tell(NULL, NULL, NULL, NULL, NULL, ARRAY[$1::text]) WHERE $7 AND EXISTS (SELECT FROM touched))
             SELECT touched.* FROM touched LEFT JOIN told ON true`,
      values: [
        columnText(touch.id),
        former.rev,
        record.skills.map(columnText),
        JSON.stringify(record.info),
        touch.lastSeenAt,
        touch.expiresAt,
        changed,
      ],
    })
    // Somebody else was faster: what he stored is what is to be laid over.
    if (rows[0]) return workerOf(rows[0])
  }
}

/** The usual heartbeat: one round trip. */
const ping = async (pool: Pool, { id, lastSeenAt, expiresAt }: WorkerTouch): Promise<WorkerRecord | undefined> => {
  const { rows } = await pool.query<WorkerRow>({
    name: 'ping_worker',
    text: `UPDATE tutti.workers SET last_seen_at = greatest(last_seen_at, $2), expires_at = greatest(expires_at, $3)
           WHERE id = $1 AND expires_at > tutti.now_ms() RETURNING *`,
    values: [columnText(id), lastSeenAt, expiresAt],
  })
  return rows[0] && workerOf(rows[0])
}

export const removeWorker = async (pool: Pool, id: string): Promise<void> => {
  await pool.query(
    `WITH removed AS (DELETE FROM tutti.workers WHERE id = $1 RETURNING 1)
     SELECT tutti.tell(NULL, NULL, NULL, NULL, NULL, ARRAY[$1::text]) WHERE EXISTS (SELECT FROM removed)`,
    [columnText(id)],
  )
}

export const readWorker = async (pool: Pool, id: string): Promise<WorkerRecord | undefined> => {
  const row = await readRow(pool, id)
  return row && workerOf(row)
}

const readRow = async (pool: Pool, id: string): Promise<WorkerRow | undefined> => {
  const { rows } = await pool.query<WorkerRow>({
    name: 'read_worker',
    text: 'SELECT * FROM tutti.workers WHERE id = $1 AND expires_at > tutti.now_ms()',
    values: [columnText(id)],
  })
  return rows[0]
}

export const listWorkers = async (pool: Pool): Promise<WorkerRecord[]> => {
  const { rows } = await pool.query<WorkerRow>(
    'SELECT * FROM tutti.workers WHERE expires_at > tutti.now_ms() ORDER BY id',
  )
  return rows.map(workerOf)
}
