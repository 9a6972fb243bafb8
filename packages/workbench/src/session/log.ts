/**
 * What a change adds to a session's log, numbered under the session's lock, and the news that go with its commit. News travel through
 * PostgreSQL's NOTIFY, so that every process hears of what any process wrote.
 */
import type { JsonObject, SessionFrame } from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'

/** Kinds of lines that are stored. Snapshots, chunks and lists of files are made for live readers only. */
export type LineType = Exclude<
  SessionFrame['type'],
  'session.snapshot' | 'message.chunk' | 'workspace.files' | 'workspace.file.url'
>

export interface Line {
  session_id: string
  seq: number
  type: LineType
  data: JsonObject
}

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

/** Channel of PostgreSQL on which news of sessions travel; payload: {@link News} as JSON. */
export const newsChannel = 'tutti_sessions'

/** NOTIFY refuses more than 8000 bytes, and would take the whole transaction with it. */
const maxNewsBytes = 7900

export interface SessionLog {
  /** Adds a line. */
  log(type: LineType, data: JsonObject): void
  /** Shows live readers something that is not stored, after the lines logged so far. */
  show(chunk: JsonObject): void
  /** Has whoever holds the run look at it now: somebody wants it to stop, or says something to it. */
  alert(runId: string): void
  readonly lines: readonly Line[]
  /** What is to be told once the lines are stored. */
  news(): string[]
}

/** `session.seq` is the last line's number; it grows with the lines. */
export const openLog = (session: { id: string; user_id: string; seq: number }): SessionLog => {
  const { id: session_id, user_id } = session
  const lines: Line[] = []
  const chunks: string[] = []
  const alerts = new Set<string>()
  const news = (more: Pick<News, 'chunk' | 'run_id'> = {}): string =>
    JSON.stringify({ session_id, user_id, seq: session.seq, ...more } satisfies News)
  return {
    log: (type, data) => {
      session.seq += 1
      lines.push({ session_id, seq: session.seq, type, data })
    },
    show: (chunk) => {
      const payload = news({ chunk })
      // Display only: the complete text follows in a message.
      if (Buffer.byteLength(payload) <= maxNewsBytes) chunks.push(payload)
    },
    alert: (runId) => {
      alerts.add(runId)
    },
    lines,
    news: () => [...chunks, ...(lines.length > 0 ? [news()] : []), ...[...alerts].map((run_id) => news({ run_id }))],
  }
}

/** To be told at the commit, and not if there is none. */
export const tell = async (tx: Queryable, news: string[]): Promise<void> => {
  if (news.length > 0)
    await tx.query('select pg_notify($1, payload) from unnest($2::text[]) payload', [newsChannel, news])
}

/** A statement's `with` that stores lines, given as JSON in the parameter $1. */
export const withLines = `with lines as (
    insert into workbench.session_events (session_id, seq, type, data)
    select line.session_id, line.seq, line.type, line.data
    from jsonb_to_recordset($1::jsonb) as line (session_id uuid, seq bigint, type text, data jsonb)
  )`
