/** The one query language of both databases: conditions with positional parameters. */
import { parseCursor } from './columns.ts'
import type { HistoryQuery } from './port.ts'

export interface Sql {
  text: string
  values: (string | number)[]
}

/** `parameter` writes the n-th placeholder, from 1: `?n` or `$n`. */
export const eventsQuery = (table: string, query: HistoryQuery, parameter: (n: number) => string): Sql => {
  const values: (string | number)[] = []
  const value = (given: string | number): string => {
    values.push(given)
    return parameter(values.length)
  }
  const conditions: string[] = []
  if (query.client !== null) conditions.push(`client = ${value(query.client)}`)
  if (query.jobId !== undefined) conditions.push(`job_id = ${value(query.jobId)}`)
  if (query.blueprint !== undefined) conditions.push(`blueprint = ${value(query.blueprint)}`)
  if (query.worker !== undefined) conditions.push(`worker_id = ${value(query.worker)}`)
  if (query.types !== undefined) conditions.push(`type IN (${query.types.map(value).join(', ') || 'NULL'})`)
  if (query.from !== undefined) conditions.push(`at >= ${value(query.from)}`)
  if (query.before !== undefined) conditions.push(`at < ${value(query.before)}`)
  if (query.cursor !== undefined) {
    const [at, jobId, seq] = parseCursor(query.cursor)
    conditions.push(`(at, job_id, seq) < (${value(at)}, ${value(jobId)}, ${value(seq)})`)
  }
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')} `
  return {
    text: `SELECT * FROM ${table} ${where}ORDER BY at DESC, job_id DESC, seq DESC LIMIT ${query.limit + 1}`,
    values,
  }
}

/** The newest line of each job: the one that no later line of its job follows. */
export const latestQuery = (
  table: string,
  query: { client: string | null; limit: number; offset: number },
  parameter: (n: number) => string,
): Sql => ({
  text:
    `SELECT e.* FROM ${table} e WHERE ${query.client === null ? '' : `e.client = ${parameter(1)} AND `}` +
    `NOT EXISTS (SELECT 1 FROM ${table} l WHERE l.job_id = e.job_id AND l.seq > e.seq) ` +
    `ORDER BY e.at DESC, e.job_id DESC LIMIT ${query.limit} OFFSET ${query.offset}`,
  values: query.client === null ? [] : [query.client],
})
