import { screenshotKey, type ToolExecutionView, TuttiError } from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'
import { readRun, readSession } from './sessions.ts'

/** Of a session, or of one run. */
export type ToolsOf = { sessionId: string } | { runId: string }

/** Where a reader of changes stands: at the change of one execution. */
export interface ToolCursor {
  updatedAt: string
  id: string
}

/** As text, with all its microseconds: a JavaScript date would cut them off, and the cursor would miss or repeat changes. */
const instant = (column: string): string =>
  `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as ${column}`

const columns = `id, session_id, run_id, tool_use_id, tool_name, tool_input, tool_output, is_error, duration_ms,
  ${instant('created_at')}, ${instant('updated_at')}`

const scope = async (database: Queryable, userId: string, of: ToolsOf): Promise<[where: string, id: string]> => {
  if ('runId' in of) {
    await readRun(database, userId, of.runId)
    return ['run_id = $1', of.runId]
  }
  await readSession(database, userId, of.sessionId)
  return ['session_id = $1', of.sessionId]
}

/** Oldest first. @throws TuttiError SESSION_NOT_FOUND, RUN_NOT_FOUND */
export const listToolExecutions = async (
  database: Queryable,
  userId: string,
  of: ToolsOf,
  { limit, offset }: { limit: number; offset: number },
): Promise<ToolExecutionView[]> => {
  const [where, id] = await scope(database, userId, of)
  return database.query<ToolExecutionView>(
    `select ${columns} from workbench.tool_executions t where ${where} order by t.created_at, t.id limit $2 offset $3`,
    [id, limit, offset],
  )
}

/** What has changed since the cursor, in the order of the changes. @throws TuttiError SESSION_NOT_FOUND, RUN_NOT_FOUND */
export const changedToolExecutions = async (
  database: Queryable,
  userId: string,
  of: ToolsOf,
  { after, limit }: { after: ToolCursor | null; limit: number },
): Promise<ToolExecutionView[]> => {
  const [where, id] = await scope(database, userId, of)
  return database.query<ToolExecutionView>(
    `select ${columns} from workbench.tool_executions t
     where ${where} and ($2::timestamptz is null or (t.updated_at, t.id) > ($2::timestamptz, $3::uuid))
     order by t.updated_at, t.id limit $4`,
    [id, after?.updatedAt ?? null, after?.id ?? null, limit],
  )
}

/** @throws TuttiError NOT_FOUND, also for a stranger's */
export const readToolExecution = async (
  database: Queryable,
  userId: string,
  id: string,
): Promise<ToolExecutionView> => {
  const [row] = await database.query<ToolExecutionView>(
    `select ${columns} from workbench.tool_executions t where id = $1
       and exists (select from workbench.sessions s where s.id = t.session_id and s.user_id = $2 and not s.is_deleted)`,
    [id, userId],
  )
  if (!row) throw new TuttiError('NOT_FOUND', 'Tool execution not found')
  return row
}

/**
 * Where the picture of a tool call lies, once there is one; of the latest call, where several have the id. A branch has the pictures of
 * the turns that it copied where they were taken. Null where there is no such call.
 * @throws TuttiError SESSION_NOT_FOUND, RUN_NOT_FOUND
 */
export const pictureKey = async (
  database: Queryable,
  userId: string,
  of: ToolsOf,
  tool_use_id: string,
): Promise<string | null> => {
  const [where, id] = await scope(database, userId, of)
  const [origin] = await database.query<{ session_id: string; run_id: string }>(
    `select coalesce(run.copied_from_session, run.session_id) as session_id, coalesce(run.copied_from, run.id) as run_id
     from (select run_id as id from workbench.tool_executions where ${where} and tool_use_id = $2
           order by created_at desc limit 1) latest
     join workbench.runs run using (id)`,
    [id, tool_use_id],
  )
  return origin === undefined ? null : screenshotKey({ ...origin, user_id: userId, tool_use_id })
}
