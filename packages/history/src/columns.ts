/** Between a line of the log and the columns of the archive: the same for both databases. */
import { type Json, type JsonObject, TuttiError } from '@tutti/contracts'
import type { FeedEvent } from '@tutti/engine'
import type { ArchivedEvent } from './port.ts'

export interface Row {
  job_id: string
  seq: number
  at: number | string
  type: string
  state: string
  client: string
  blueprint: string
  duration_ms: number | string | null
  previous_state: string | null
  next_state: string | null
  worker_id: string | null
  attempt: number | null
  data: string
}

export const columns = [
  'job_id',
  'seq',
  'at',
  'type',
  'state',
  'client',
  'blueprint',
  'duration_ms',
  'previous_state',
  'next_state',
  'worker_id',
  'attempt',
  'data',
] as const satisfies (keyof Row)[]

/** In the order of `columns`. Text columns of PostgreSQL take neither a null byte nor half a surrogate; `data` escapes both. */
export const valuesOf = (event: FeedEvent): (string | number | null)[] => [
  event.jobId,
  event.seq,
  event.at,
  column(event.type),
  column(event.state),
  column(event.client),
  column(event.blueprint),
  number(event.data.duration_ms),
  text(event.data.previous_state),
  event.type === 'state_entered' ? column(event.state) : null,
  text(event.data.worker_id),
  number(event.data.attempt),
  JSON.stringify({ ...event.data, ...exact(event) } satisfies JsonObject),
]

/** Where a column could only hold a lookalike, the true text stands in the body under this name, which no line uses. */
const marks = '\u0000'
const exact = ({ state, client }: FeedEvent): JsonObject =>
  column(state) === state && column(client) === client ? {} : { [marks]: { state, client } }

const column = (value: string): string => value.replaceAll('\0', '\u2400').toWellFormed()
const text = (value: Json | undefined): string | null => (typeof value === 'string' ? column(value) : null)
const number = (value: Json | undefined): number | null => (typeof value === 'number' ? Math.round(value) : null)

export const eventOf = (row: Row): ArchivedEvent => {
  const { [marks]: mark, ...data } = JSON.parse(row.data) as JsonObject
  const { state, client } = (mark ?? row) as { state: string; client: string }
  return {
    jobId: row.job_id,
    seq: row.seq,
    at: Number(row.at),
    type: row.type,
    state,
    client,
    blueprint: row.blueprint,
    durationMs: row.duration_ms === null ? null : Number(row.duration_ms),
    previousState: row.previous_state,
    nextState: row.next_state,
    worker: row.worker_id,
    attempt: row.attempt,
    data,
  }
}

/** Lines of one instant are told apart by job and number. */
export const cursorOf = ({ at, jobId, seq }: ArchivedEvent): string => `${at}_${jobId}_${seq}`

/** @throws TuttiError INVALID_QUERY */
export const parseCursor = (cursor: string): [at: number, jobId: string, seq: number] => {
  const [, at, jobId, seq] = /^(\d{1,15})_([0-9a-f-]{36})_(\d{1,10})$/i.exec(cursor) ?? []
  if (at === undefined || jobId === undefined || seq === undefined)
    throw new TuttiError('INVALID_QUERY', 'The cursor is not one that a page of the history gave', {
      path: 'query.cursor',
    })
  return [Number(at), jobId, Number(seq)]
}
