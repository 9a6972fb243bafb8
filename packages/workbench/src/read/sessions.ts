/** Reads of sessions and runs, each scoped by the user. */
import { type RunView, type SessionView, TuttiError } from '@tutti/contracts'
import { usageOfRuns } from '../budgets/used.ts'
import type { Queryable } from '../database/database.ts'
import { queueFactsOf } from '../queue/rows.ts'
import { type QueueFacts, type RunRow, runView, type SessionRow, sessionView } from '../session/rows.ts'

export const findSession = async (database: Queryable, userId: string, id: string): Promise<SessionRow | undefined> => {
  const [session] = await database.query<SessionRow>(
    'select * from workbench.sessions where id = $1 and user_id = $2 and not is_deleted',
    [id, userId],
  )
  return session
}

/** @throws TuttiError SESSION_NOT_FOUND, also for a stranger's session */
export const readSession = async (database: Queryable, userId: string, id: string): Promise<SessionRow> => {
  const session = await findSession(database, userId, id)
  if (!session) throw new TuttiError('SESSION_NOT_FOUND', 'Session not found')
  return session
}

const views = `select s.*, ${queueFactsOf('s.id')} from workbench.sessions s`

/** With what waits in its queue. @throws TuttiError SESSION_NOT_FOUND */
export const viewSession = async (database: Queryable, userId: string, id: string): Promise<SessionView> => {
  const [session] = await database.query<SessionRow & QueueFacts>(
    `${views} where id = $1 and user_id = $2 and not is_deleted`,
    [id, userId],
  )
  if (!session) throw new TuttiError('SESSION_NOT_FOUND', 'Session not found')
  return sessionView(session)
}

export interface SessionFilter {
  limit: number
  offset: number
  kind?: SessionRow['kind'] | undefined
  projectId?: string | undefined
  /** Only those that were begun there. */
  origin?: string | undefined
  /** Only sessions with a run that this job asked for. */
  jobId?: string | undefined
}

/** Newest first. */
export const listSessions = async (
  database: Queryable,
  userId: string,
  { limit, offset, jobId, kind, projectId, origin }: SessionFilter,
): Promise<SessionView[]> => {
  const rows = await database.query<SessionRow & QueueFacts>(
    `${views} where user_id = $1 and not is_deleted
       and ($5::text is null or kind = $5) and ($6::uuid is null or project_id = $6) and ($7::text is null or origin = $7)
       and ($4::uuid is null or exists (select from workbench.runs r where r.session_id = s.id and (r.job_id = $4 or r.asked_by = $4)))
     order by created_at desc, id desc limit $2 offset $3`,
    [userId, limit, offset, jobId ?? null, kind ?? null, projectId ?? null, origin ?? null],
  )
  return rows.map(sessionView)
}

/** With what it has used. */
export const viewRun = async (database: Queryable, run: RunRow): Promise<RunView> =>
  runView(run, (await usageOfRuns(database, [run])).get(run.id) ?? null)

/** With what each of them has used. */
export const viewRuns = async (database: Queryable, runs: readonly RunRow[]): Promise<RunView[]> => {
  const usage = await usageOfRuns(database, runs)
  return runs.map((run) => runView(run, usage.get(run.id) ?? null))
}

/** @throws TuttiError RUN_NOT_FOUND, also for a stranger's run */
export const readRun = async (database: Queryable, userId: string, id: string): Promise<RunView> => {
  const [run] = await database.query<RunRow>(
    `select r.* from workbench.runs r join workbench.sessions s on s.id = r.session_id
     where r.id = $1 and r.user_id = $2 and not s.is_deleted`,
    [id, userId],
  )
  if (!run) throw new TuttiError('RUN_NOT_FOUND', 'Run not found')
  return viewRun(database, run)
}

/** In the order in which they were asked for. @throws TuttiError SESSION_NOT_FOUND */
export const listRuns = async (
  database: Queryable,
  userId: string,
  sessionId: string,
  { limit, offset }: { limit: number; offset: number },
): Promise<RunView[]> => {
  await readSession(database, userId, sessionId)
  const rows = await database.query<RunRow>(
    `select * from workbench.runs where session_id = $1 and user_id = $2
     order by scheduled_at, user_message_id limit $3 offset $4`,
    [sessionId, userId, limit, offset],
  )
  return viewRuns(database, rows)
}
