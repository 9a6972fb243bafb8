/** What agents want of a person: rows, and what readers of the session are shown of them. */
import {
  type AgentEvent,
  type JsonObject,
  type RequestAnswer,
  TuttiError,
  type UserInputRequestView,
} from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'
import type { SessionChange } from '../session/change-session.ts'
import type { RunRow } from '../session/rows.ts'

export type NewRequest = Extract<AgentEvent, { type: 'request' }>

export interface RequestRow {
  id: string
  session_id: string
  run_id: string
  user_id: string
  kind: UserInputRequestView['kind']
  tool_use_id: string
  tool_name: string
  tool_input: JsonObject
  park: number
  status: UserInputRequestView['status']
  answers: JsonObject | null
  answer: RequestAnswer | null
  answered_by: string | null
  expires_at: Date
  created_at: Date
  answered_at: Date | null
}

/** As long as the owner allows; three days unless they said otherwise. */
const defaultTimeoutSeconds = 3 * 86_400

export const requestView = (row: RequestRow): UserInputRequestView => ({
  id: row.id,
  session_id: row.session_id,
  run_id: row.run_id,
  kind: row.kind,
  tool_use_id: row.tool_use_id,
  tool_name: row.tool_name,
  tool_input: row.tool_input,
  status: row.status,
  decision: row.answer?.decision ?? null,
  answers: row.answers,
  answered_by: row.answered_by,
  expires_at: row.expires_at.toISOString(),
  created_at: row.created_at.toISOString(),
  answered_at: row.answered_at?.toISOString() ?? null,
})

/** Writes what the agent asked into the parking that its run is about to begin, and shows it. */
export const insertRequests = async (
  change: SessionChange,
  run: RunRow,
  requests: NewRequest[],
  newId: () => string,
): Promise<void> => {
  if (requests.length === 0) return
  const seconds = run.config.answer_timeout_seconds ?? defaultTimeoutSeconds
  for (const { kind, tool_use_id, tool_name, input } of requests)
    await change.tx.query(
      `insert into workbench.user_input_requests
         (id, session_id, run_id, user_id, kind, tool_use_id, tool_name, tool_input, park, expires_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, now() + $10 * interval '1 second')
       on conflict (run_id, tool_use_id) do update
       set id = excluded.id, kind = excluded.kind, tool_name = excluded.tool_name, tool_input = excluded.tool_input,
           park = excluded.park, status = 'pending', answers = null, answer = null, answered_at = null, answered_by = null,
           expires_at = excluded.expires_at, created_at = now()`,
      [newId(), run.session_id, run.id, run.user_id, kind, tool_use_id, tool_name, input, run.parks + 1, seconds],
    )
  await showRequests(change)
}

/** The requests of this run that wait for an answer. */
export const pendingOf = (tx: Queryable, runId: string): Promise<RequestRow[]> =>
  tx.query<RequestRow>(`select * from workbench.user_input_requests where run_id = $1 and status = 'pending'`, [runId])

/** Nobody will hear an answer to them any more. @returns how many there were */
export const expireRequests = async (change: SessionChange, runId: string): Promise<number> => {
  const expired = await change.tx.query(
    `update workbench.user_input_requests set status = 'expired' where run_id = $1 and status = 'pending' returning id`,
    [runId],
  )
  if (expired.length > 0) await showRequests(change)
  return expired.length
}

/** Pending and in time, oldest first; of one session or of all of the user's. */
export const listRequests = async (
  database: Queryable,
  userId: string,
  sessionId: string | undefined,
): Promise<UserInputRequestView[]> => {
  const rows = await database.query<RequestRow>(
    `select * from workbench.user_input_requests
     where user_id = $1 and ($2::uuid is null or session_id = $2) and status = 'pending' and expires_at > now()
     order by created_at, id limit 1000`,
    [userId, sessionId ?? null],
  )
  return rows.map(requestView)
}

/** One of them, whatever became of it; late ones count as expired. @throws TuttiError REQUEST_NOT_FOUND, also for a stranger's */
export const readRequest = async (database: Queryable, userId: string, id: string): Promise<UserInputRequestView> => {
  const [row] = await database.query<RequestRow & { late: boolean }>(
    'select *, expires_at <= now() as late from workbench.user_input_requests where id = $1 and user_id = $2',
    [id, userId],
  )
  if (!row) throw new TuttiError('REQUEST_NOT_FOUND', 'Request not found')
  return requestView(row.status === 'pending' && row.late ? { ...row, status: 'expired' } : row)
}

/** Readers get the whole list: a lost or doubled line then does no harm. */
export const showRequests = async ({ tx, session, log }: SessionChange): Promise<void> => {
  log('user_input.update', { requests: await shownRequests(tx, session) })
}

export const shownRequests = async (
  database: Queryable,
  { id, user_id }: { id: string; user_id: string },
): Promise<JsonObject[]> => (await listRequests(database, user_id, id)).map((view) => ({ ...view }))
