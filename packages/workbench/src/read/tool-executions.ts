import { type ToolExecutionView, TuttiError } from '@tutti/contracts'
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

/** The run to which a tool call of the session belongs, the latest where there are several; null where there is no such call. @throws TuttiError SESSION_NOT_FOUND */
export const runOfToolCall = async (
  database: Queryable,
  userId: string,
  sessionId: string,
  toolUseId: string,
): Promise<string | null> => {
  await readSession(database, userId, sessionId)
  const [row] = await database.query<{ run_id: string }>(
    `select run_id from workbench.tool_executions where session_id = $1 and tool_use_id = $2
     order by created_at desc limit 1`,
    [sessionId, toolUseId],
  )
  return row?.run_id ?? null
}
