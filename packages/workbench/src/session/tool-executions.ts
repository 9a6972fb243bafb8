/** What the agents' tools were asked and what they answered: one row per call, one statement for many. */
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

/** Of a run of a session, in one of its attempts. */
export type PlacedCall = ToolCall & { session_id: string; run_id: string; attempt: number }
export type PlacedResult = ToolResult & { run_id: string }

/** One statement can't touch a row twice: of two under one id in a batch the later one counts. An id is unique within its run only. */
const lastOfEach = <T extends { run_id: string; tool_use_id: string }>(all: readonly T[]): T[] => [
  ...new Map(all.map((one) => [`${one.run_id} ${one.tool_use_id}`, one])).values(),
]

/** Runtimes that replay a turn use their ids again: then the call begins anew, behind what other attempts called meanwhile. */
export const upsertToolCalls = async (tx: Queryable, calls: readonly PlacedCall[]): Promise<void> => {
  if (calls.length === 0) return
  await tx.query(
    `insert into workbench.tool_executions
       (session_id, run_id, attempt, tool_use_id, tool_name, tool_input, created_at, updated_at)
     select call.session_id, call.run_id, call.attempt, call.tool_use_id, call.tool_name, call.tool_input,
            clock_timestamp(), clock_timestamp()
     from jsonb_to_recordset($1::jsonb) as call
       (session_id uuid, run_id uuid, attempt int, tool_use_id text, tool_name text, tool_input jsonb)
     on conflict (run_id, tool_use_id) do update
     set attempt = excluded.attempt, tool_name = excluded.tool_name, tool_input = excluded.tool_input,
         tool_output = null, is_error = false, duration_ms = null, finished = false,
         created_at = excluded.created_at, updated_at = clock_timestamp()`,
    [JSON.stringify(lastOfEach(calls))],
    'tools_call',
  )
}

export const storeToolResults = async (tx: Queryable, results: readonly PlacedResult[]): Promise<void> => {
  if (results.length === 0) return
  await tx.query(
    `update workbench.tool_executions execution
     set tool_output = result.tool_output, is_error = result.is_error, duration_ms = result.duration_ms,
         finished = true, updated_at = clock_timestamp()
     from jsonb_to_recordset($1::jsonb) as result
       (run_id uuid, tool_use_id text, tool_output jsonb, is_error boolean, duration_ms bigint)
     where execution.run_id = result.run_id and execution.tool_use_id = result.tool_use_id`,
    [JSON.stringify(lastOfEach(results))],
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
