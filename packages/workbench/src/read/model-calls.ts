import type { ModelCallView } from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'
import { readSession } from './sessions.ts'

/** The ledger's lines of a session, newest first. @throws TuttiError SESSION_NOT_FOUND */
export const listModelCalls = async (
  database: Queryable,
  userId: string,
  sessionId: string,
  { limit, offset }: { limit: number; offset: number },
): Promise<ModelCallView[]> => {
  await readSession(database, userId, sessionId)
  const rows = await database.query<
    Omit<ModelCallView, 'started_at' | 'ended_at'> & { started_at: Date; ended_at: Date | null }
  >(
    // Not the token: it is a manager's proof.
    `select run_id, attempt, n, purpose, model, provider, state, input_tokens, output_tokens, cache_creation_input_tokens,
       cache_read_input_tokens, cost_usd::float8 as cost_usd, status, complete, started_at, ended_at
     from workbench.model_calls where session_id = $1 and user_id = $2
     order by started_at desc, lease_token desc, n desc limit $3 offset $4`,
    [sessionId, userId, limit, offset],
  )
  return rows.map((row) => ({
    ...row,
    started_at: row.started_at.toISOString(),
    ended_at: row.ended_at?.toISOString() ?? null,
  }))
}
