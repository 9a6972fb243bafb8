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
  /** Where the agent's own record of the conversation has it. */
  entry?: string | undefined
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
  /** The line numbered `seq`, where it is short enough to travel along: readers need not look for it. */
  line?: { type: LineType; data: JsonObject; at: string }
  chunk?: JsonObject
  run_id?: string
}

/** Channel of PostgreSQL on which news of sessions travel: see {@link readNews}. */
export const newsChannel = 'tutti_sessions'

/** NOTIFY refuses more than 8000 bytes, and would take the whole transaction with it. */
const maxPayloadBytes = 7900

export interface SessionLog {
  /** Adds a line. */
  log(type: LineType, data: JsonObject, entry?: string): void
  /** Shows live readers something that is not stored, after the lines logged so far. */
  show(chunk: JsonObject): void
  /** Has whoever holds the run look at it now: somebody wants it to stop, or says something to it. */
  alert(runId: string): void
  readonly lines: readonly Line[]
  /** What is to be told once the lines are stored. @param at when they were */
  news(at?: Date): News[]
}

/** `session.seq` is the last line's number; it grows with the lines. */
export const openLog = (session: { id: string; user_id: string; seq: number }): SessionLog => {
  const { id: session_id, user_id } = session
  const lines: Line[] = []
  const told: (Line | News)[] = []
  const alerts = new Set<string>()
  const news = (more: Pick<News, 'chunk' | 'run_id'>): News => ({ session_id, user_id, seq: session.seq, ...more })
  return {
    log: (type, data, entry) => {
      session.seq += 1
      const line = { session_id, seq: session.seq, type, data, entry }
      lines.push(line)
      told.push(line)
    },
    show: (chunk) => {
      told.push(news({ chunk }))
    },
    alert: (runId) => {
      alerts.add(runId)
    },
    lines,
    news: (at) => [
      ...told.map((each) => ('type' in each ? newsOfLine(each, user_id, at) : each)),
      ...[...alerts].map((run_id) => news({ run_id })),
    ],
  }
}

const newsOfLine = ({ session_id, seq, type, data }: Line, user_id: string, at: Date | undefined): News => ({
  ...{ session_id, user_id, seq },
  ...(at === undefined ? {} : { line: { type, data, at: at.toISOString() } }),
})

/** To be told at the commit, and not if there is none. */
export const tell = async (tx: Queryable, news: readonly News[]): Promise<void> => {
  if (news.length > 0) await tx.query(`select ${notify}`, [newsChannel, payloadsOf(news)], 'log_tell')
}

/**
 * Tells it at once, in a transaction of its own that nobody waits for to reach the disk: news that are lost with a crash were of
 * something that is not stored.
 */
export const show = async (database: Queryable, news: readonly News[]): Promise<void> => {
  if (news.length > 0)
    await database.query(
      `select set_config('synchronous_commit', 'off', true), ${notify}`,
      [newsChannel, payloadsOf(news)],
      'log_show',
    )
}

const notify = '(select count(pg_notify($1, payload)) from unnest($2::text[]) payload)'

/** As many news in each as fit: a notification costs PostgreSQL and its listeners more than what is in it. */
const payloadsOf = (news: readonly News[]): string[] => {
  const payloads: string[] = []
  let gathered = ''
  const close = (): void => {
    if (gathered !== '') payloads.push(`${gathered}]`)
    gathered = ''
  }
  for (const each of news) {
    const text = fitting(each)
    if (text === undefined) continue
    if (Buffer.byteLength(gathered) + Buffer.byteLength(text) + 2 > maxPayloadBytes) close()
    // A number in front: of equal notifications in one transaction PostgreSQL delivers one.
    gathered = gathered === '' ? `[${payloads.length},${text}` : `${gathered},${text}`
  }
  close()
  return payloads
}

const fitting = (news: News): string | undefined => {
  const text = JSON.stringify(news)
  if (Buffer.byteLength(text) <= maxPayloadBytes - 20) return text
  // Display only: the complete text follows in a message.
  if (news.chunk !== undefined) return undefined
  const { line: _, ...short } = news
  return JSON.stringify(short)
}

/** The news in a notification's payload. */
export const readNews = (payload: string): News[] => {
  const [, ...news] = JSON.parse(payload) as [number, ...News[]]
  return news
}

/** A statement's `with` that stores lines, given as JSON in the parameter $1. */
export const withLines = `with lines as (
    insert into workbench.session_events (session_id, seq, type, data, entry)
    select line.session_id, line.seq, line.type, line.data, line.entry
    from jsonb_to_recordset($1::jsonb) as line (session_id uuid, seq bigint, type text, data jsonb, entry text)
  )`
