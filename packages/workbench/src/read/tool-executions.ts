import type { ToolExecutionView } from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'
import { readSession } from './sessions.ts'

type Row = Omit<ToolExecutionView, 'created_at'> & { created_at: Date }

/** Oldest first. @throws TuttiError SESSION_NOT_FOUND */
export const listToolExecutions = async (
  database: Queryable,
  userId: string,
  sessionId: string,
  { limit, offset }: { limit: number; offset: number },
): Promise<ToolExecutionView[]> => {
  await readSession(database, userId, sessionId)
  const rows = await database.query<Row>(
    `select id, session_id, run_id, tool_use_id, tool_name, tool_input, tool_output, is_error, duration_ms, created_at
     from workbench.tool_executions where session_id = $1 order by created_at, id limit $2 offset $3`,
    [sessionId, limit, offset],
  )
  return rows.map((row) => ({ ...row, created_at: row.created_at.toISOString() }))
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
