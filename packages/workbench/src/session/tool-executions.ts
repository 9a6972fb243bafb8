/** What the agent's tools were asked and what they answered: one row per call, one statement per batch. */
import type { Json, JsonObject } from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'

export interface ToolCall {
  tool_use_id: string
  tool_name: string
  tool_input: JsonObject
}

export interface ToolResult {
  tool_use_id: string
  tool_output: Json
  is_error: boolean
  duration_ms: number | null
}

// `updated_at` is the clock's under the session's lock, not `now()`: that is when the transaction began, before it had waited
// for the lock, and a delta's reader that has seen a later change would never see this one.

/** A call's id is unique within its run only: runtimes that replay a turn use their ids again. */
export const upsertToolCalls = async (
  tx: Queryable,
  run: { id: string; session_id: string; attempt: number },
  calls: ToolCall[],
): Promise<void> => {
  // One statement can't touch a row twice: of two calls under one id in a batch the later one counts.
  const last = [...new Map(calls.map((call) => [call.tool_use_id, call])).values()]
  if (last.length === 0) return
  await tx.query(
    `insert into workbench.tool_executions
       (session_id, run_id, attempt, tool_use_id, tool_name, tool_input, created_at, updated_at)
     select $1, $2, $3, call.tool_use_id, call.tool_name, call.tool_input, clock_timestamp(), clock_timestamp()
     from jsonb_to_recordset($4::jsonb) as call (tool_use_id text, tool_name text, tool_input jsonb)
     on conflict (run_id, tool_use_id) do update
     set attempt = excluded.attempt, tool_name = excluded.tool_name, tool_input = excluded.tool_input,
         tool_output = null, is_error = false, duration_ms = null, finished = false, updated_at = clock_timestamp()`,
    [run.session_id, run.id, run.attempt, JSON.stringify(last)],
  )
}

export const storeToolResults = async (tx: Queryable, runId: string, results: ToolResult[]): Promise<void> => {
  const last = [...new Map(results.map((result) => [result.tool_use_id, result])).values()]
  if (last.length === 0) return
  await tx.query(
    `update workbench.tool_executions execution
     set tool_output = result.tool_output, is_error = result.is_error, duration_ms = result.duration_ms,
         finished = true, updated_at = clock_timestamp()
     from jsonb_to_recordset($2::jsonb)
       as result (tool_use_id text, tool_output jsonb, is_error boolean, duration_ms bigint)
     where execution.run_id = $1 and execution.tool_use_id = result.tool_use_id`,
    [runId, JSON.stringify(last)],
  )
}

/** Calls that will get no answer any more: a console would show them as working for ever. */
export const interruptTools = async (tx: Queryable, runId: string, output: string): Promise<void> => {
  await tx.query(
    `update workbench.tool_executions
     set tool_output = to_jsonb($2::text), is_error = true, finished = true, updated_at = clock_timestamp()
     where run_id = $1 and not finished`,
    [runId, output],
  )
}
