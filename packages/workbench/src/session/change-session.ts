/**
 * The only way in which a session is written: its row is locked first, and the lines that the change adds to the log are
 * numbered under that lock and stored with it. So the log has no gaps, the order of commits is the order of the log,
 * and no two writers can deadlock: there is one lock, and it comes first.
 */
import type { Database, Queryable } from '../database/database.ts'
import { type Line, openLog, type SessionLog, tell, withLines } from './log.ts'
import type { SessionRow } from './rows.ts'
import { wordsOf } from './words.ts'

export type SessionPatch = Partial<Omit<SessionRow, 'id' | 'user_id' | 'seq' | 'created_at' | 'updated_at'>>

export interface SessionChange extends Pick<SessionLog, 'log' | 'show' | 'alert'> {
  readonly tx: Queryable
  /** The session as it is with the patches made so far. */
  readonly session: SessionRow
  patch(fields: SessionPatch): void
}

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
  const log = openLog(session)
  const patched: SessionPatch = {}
  const patch = (fields: SessionPatch): void => {
    Object.assign(session, fields)
    Object.assign(patched, fields)
  }
  const result = await work({ tx, session, patch, log: log.log, show: log.show, alert: log.alert })
  const changed = log.lines.length > 0 || Object.keys(patched).length > 0
  const at = changed ? await storeChange(tx, session, patched, log.lines) : undefined
  await tell(tx, log.news(at))
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

/** Column names come from the code only, never from input. @returns when, as the lines have it */
const storeChange = async (
  tx: Queryable,
  session: SessionRow,
  patched: SessionPatch,
  lines: readonly Line[],
): Promise<Date | undefined> => {
  const fields = Object.entries(patched)
  const sets = fields.map(([column], at) => `, ${column} = $${at + 4}`)
  const values: unknown[] = [JSON.stringify(lines), session.id, session.seq, ...fields.map(([, value]) => value)]
  if (patched.title !== undefined) {
    values.push(wordsOf(patched.title ?? ''))
    sets.push(`, search = to_tsvector('simple', $${values.length})`)
  }
  const [stored] = await tx.query<{ at: Date }>(
    `${withLines}
     update workbench.sessions set seq = $3, updated_at = now()${sets.join('')} where id = $2 returning now() as at`,
    values,
  )
  return stored?.at
}
