/** Small documents beside the jobs, and shared budgets. */
import type { Draw, Drawn, RecordQuery, StoredRecord } from '@tutti/engine'
import type { Pool } from 'pg'
import { columnKey, columnText } from './text.ts'

interface RecordRow {
  kind: string
  id: string
  rev: string
  due_at: string | null
  expires_at: string | null
  body: string
}

/** Names are kept with the body: columns may hold them as a digest only (see `text.ts`). */
type Kept = Pick<StoredRecord, 'kind' | 'id' | 'owner' | 'ref' | 'body'>

export const recordBody = ({ kind, id, owner, ref, body }: StoredRecord): string =>
  JSON.stringify({ kind, id, owner, ref, body } satisfies Kept)

/** The columns win over the body: leasing a record changes them alone. */
const recordOf = (row: RecordRow): StoredRecord => {
  const { kind, id, owner, ref, body } = JSON.parse(row.body) as Kept
  return {
    kind,
    id,
    owner,
    ref,
    rev: Number(row.rev),
    dueAt: row.due_at === null ? null : Number(row.due_at),
    expiresAt: row.expires_at === null ? null : Number(row.expires_at),
    body,
  }
}

const columns = 'kind, id, rev, due_at, expires_at, body'
const alive = '(expires_at IS NULL OR expires_at > (SELECT tutti.now_ms()))'

export const putRecords = async (pool: Pool, records: StoredRecord[]): Promise<boolean[]> => {
  if (records.length === 0) return []
  const { rows } = await pool.query<{ taken: boolean[] }>({
    name: 'put_records',
    text: 'SELECT tutti.put_records($1, $2, $3, $4, $5, $6, $7, $8) AS taken',
    values: [
      records.map((record) => columnText(record.kind)),
      records.map((record) => columnText(record.id)),
      records.map((record) => (record.owner === null ? null : columnKey(record.owner))),
      records.map((record) => (record.ref === null ? null : columnKey(record.ref))),
      records.map((record) => record.rev),
      records.map((record) => record.dueAt),
      records.map((record) => record.expiresAt),
      records.map(recordBody),
    ],
  })
  return rows[0]?.taken ?? []
}

export const readRecords = async (pool: Pool, kind: string, ids: string[]): Promise<(StoredRecord | undefined)[]> => {
  const { rows } = await pool.query<RecordRow>({
    name: 'read_records',
    text: `SELECT ${columns} FROM tutti.records WHERE kind = $1 AND id = ANY ($2::text[]) AND ${alive}`,
    values: [columnText(kind), ids.map(columnText)],
  })
  const found = new Map(rows.map((row) => [row.id, recordOf(row)]))
  return ids.map((id) => structuredClone(found.get(columnText(id))))
}

export const listRecords = async (pool: Pool, query: RecordQuery): Promise<StoredRecord[]> => {
  const { kind, owner = null, ref, limit, newest = false, after } = query
  const values: unknown[] = [columnText(kind), limit]
  const where = (condition: (parameter: string) => string, value: string | null | undefined): string => {
    if (value === null || value === undefined) return ''
    values.push(value)
    return `AND ${condition(`$${values.length}`)}`
  }
  const conditions = [
    where((p) => `owner = ${p}`, owner === null ? null : columnKey(owner)),
    where((p) => `ref = ${p}`, ref === undefined ? null : columnKey(ref)),
    where((p) => `id ${newest ? '<' : '>'} ${p}`, after === undefined ? null : columnText(after)),
  ]
  const { rows } = await pool.query<RecordRow>(
    `SELECT ${columns} FROM tutti.records WHERE kind = $1 AND ${alive} ${conditions.join(' ')}
     ORDER BY id ${newest ? 'DESC' : 'ASC'} LIMIT $2`,
    values,
  )
  return rows.map(recordOf)
}

export const leaseRecords = async (
  pool: Pool,
  { kind, limit, leaseMs }: { kind: string; limit: number; leaseMs: number },
): Promise<StoredRecord[]> => {
  const { rows } = await pool.query<RecordRow>({
    name: 'lease_records',
    text: `UPDATE tutti.records r SET rev = rev + 1, due_at = tutti.now_ms() + $3::bigint
           FROM (SELECT kind, id FROM tutti.records WHERE kind = $1 AND due_at <= (SELECT tutti.now_ms()) AND ${alive}
                 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED) due
           WHERE r.kind = due.kind AND r.id = due.id RETURNING r.kind, r.id, r.rev, r.due_at, r.expires_at, r.body`,
    values: [columnText(kind), limit, leaseMs],
  })
  return rows.map(recordOf)
}

export const dropRecords = async (pool: Pool, kind: string, ids: string[]): Promise<void> => {
  await pool.query(
    `WITH found AS (
       SELECT id FROM tutti.records WHERE kind = $1 AND id = ANY ($2::text[]) ORDER BY id FOR UPDATE
     ), dropped AS (DELETE FROM tutti.records r USING found WHERE r.kind = $1 AND r.id = found.id RETURNING 1)
     SELECT tutti.tell(NULL, NULL, NULL, NULL, ARRAY[$1::text]) WHERE EXISTS (SELECT FROM dropped)`,
    [columnText(kind), ids.map(columnText)],
  )
}

export const draw = async (pool: Pool, draws: Draw[]): Promise<Drawn[]> => {
  if (draws.length === 0) return []
  const { rows } = await pool.query<{ granted: number; remaining: number; retry_at: string | null }>({
    name: 'draw',
    text: 'SELECT * FROM tutti.draw($1, $2, $3, $4, $5, $6, $7)',
    values: [
      draws.map(({ key }) => columnKey(key)),
      draws.map(({ want }) => want),
      draws.map(({ partial = false }) => partial),
      draws.map(({ budget }) => budget.kind),
      draws.map(({ budget }) => budget.capacity),
      draws.map(({ budget }) => (budget.kind === 'bucket' ? budget.refillPerMs : 0)),
      draws.map(({ budget }) => (budget.kind === 'window' ? budget.until : null)),
    ],
  })
  return rows.map(({ granted, remaining, retry_at }) => ({
    granted,
    left: remaining,
    retryAt: retry_at === null ? null : Number(retry_at),
  }))
}
