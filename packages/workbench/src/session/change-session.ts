/**
 * The only way in which a session is written: its row is locked first, and the lines that the change adds to the log are
 * numbered under that lock and stored with it. So the log has no gaps, the order of commits is the order of the log,
 * and no two writers can deadlock: there is one lock, and it comes first.
 */
import type { JsonObject, SessionFrame } from '@tutti/contracts'
import type { Database, Queryable } from '../database/database.ts'
import type { SessionRow } from './rows.ts'
import { wordsOf } from './words.ts'

/** Kinds of lines that are stored. Snapshots, chunks and lists of files are made for live readers only. */
export type LineType = Exclude<
  SessionFrame['type'],
  'session.snapshot' | 'message.chunk' | 'workspace.files' | 'workspace.file.url'
>

export type SessionPatch = Partial<Omit<SessionRow, 'id' | 'user_id' | 'seq' | 'created_at' | 'updated_at'>>

export interface SessionChange {
  readonly tx: Queryable
  /** The session as it is with the patches made so far. */
  readonly session: SessionRow
  patch(fields: SessionPatch): void
  /** Adds a line to the log. */
  log(type: LineType, data: JsonObject): void
  /** Shows live readers something that is not stored, after the lines logged so far. */
  show(chunk: JsonObject): void
  /** Has whoever holds the run look at it now: somebody wants it to stop, or says something to it. */
  alert(runId: string): void
}

/** Channel of PostgreSQL on which news of sessions travel; payload: {@link News} as JSON. */
export const newsChannel = 'tutti_sessions'

/**
 * The log of a session has grown to `seq`; with `chunk`, something to show after line `seq`; with `run_id`, something that the holder of
 * that run should look at.
 */
export interface News {
  session_id: string
  /** Whose session it is: a user’s readers hear of all of them. */
  user_id: string
  seq: number
  chunk?: JsonObject
  run_id?: string
}

/** NOTIFY refuses more than 8000 bytes, and would take the whole transaction with it. */
const maxNewsBytes = 7900

/** Runs `work` under the lock of a session of this user. Undefined: there is no such session. */
export const changeSession = async <T>(
  database: Database,
  where: { sessionId: string; userId?: string } | { runId: string },
  work: (change: SessionChange) => Promise<T>,
): Promise<T | undefined> =>
  database.transaction(async (tx) => {
    const session = await lockSession(tx, where)
    return session && (await commitChange(tx, session, work))
  })

/** The same for a session whose row was made in this very transaction. */
export const commitChange = async <T>(
  tx: Queryable,
  stored: SessionRow,
  work: (change: SessionChange) => Promise<T>,
): Promise<T> => {
  const session = { ...stored }
  const lines: { seq: number; type: LineType; data: JsonObject }[] = []
  const chunks: string[] = []
  const alerts = new Set<string>()
  const patched: SessionPatch = {}
  const result = await work({
    tx,
    session,
    patch: (fields) => {
      Object.assign(session, fields)
      Object.assign(patched, fields)
    },
    log: (type, data) => {
      session.seq += 1
      lines.push({ seq: session.seq, type, data })
    },
    show: (chunk) => {
      const news: News = { session_id: session.id, user_id: session.user_id, seq: session.seq, chunk }
      const payload = JSON.stringify(news)
      // Display only: the complete text follows in a message.
      if (Buffer.byteLength(payload) <= maxNewsBytes) chunks.push(payload)
    },
    alert: (runId) => {
      alerts.add(runId)
    },
  })
  if (lines.length > 0 || Object.keys(patched).length > 0) await storeChange(tx, session, patched, lines)
  const grown: News = { session_id: session.id, user_id: session.user_id, seq: session.seq }
  const payloads = lines.length > 0 ? [...chunks, JSON.stringify(grown)] : chunks
  for (const run_id of alerts) payloads.push(JSON.stringify({ ...grown, run_id } satisfies News))
  if (payloads.length > 0)
    await tx.query('select pg_notify($1, payload) from unnest($2::text[]) payload', [newsChannel, payloads])
  return result
}

const lockSession = async (
  tx: Queryable,
  where: { sessionId: string; userId?: string } | { runId: string },
): Promise<SessionRow | undefined> => {
  const [session] =
    'runId' in where
      ? await tx.query<SessionRow>(
          `select * from workbench.sessions
           where id = (select session_id from workbench.runs where id = $1) for update`,
          [where.runId],
        )
      : await tx.query<SessionRow>(
          `select * from workbench.sessions
           where id = $1 and ($2::text is null or user_id = $2 and not is_deleted) for update`,
          [where.sessionId, where.userId ?? null],
        )
  return session
}

/** Column names come from the code only, never from input. */
const storeChange = async (
  tx: Queryable,
  session: SessionRow,
  patched: SessionPatch,
  lines: { seq: number; type: LineType; data: JsonObject }[],
): Promise<void> => {
  const fields = Object.entries(patched)
  const sets = fields.map(([column], at) => `, ${column} = $${at + 4}`)
  const values: unknown[] = [session.id, JSON.stringify(lines), session.seq, ...fields.map(([, value]) => value)]
  if (patched.title !== undefined) {
    values.push(wordsOf(patched.title ?? ''))
    sets.push(`, search = to_tsvector('simple', $${values.length})`)
  }
  await tx.query(
    `with lines as (
       insert into workbench.session_events (session_id, seq, type, data)
       select $1, line.seq, line.type, line.data
       from jsonb_to_recordset($2::jsonb) as line (seq bigint, type text, data jsonb)
     )
     update workbench.sessions set seq = $3, updated_at = now()${sets.join('')} where id = $1`,
    values,
  )
}
