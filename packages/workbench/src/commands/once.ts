/**
 * Requests that a client may send again, because the answer was lost: what was answered first stands beside the session, stored with what the
 * request did. Repeated through another process, minutes later, it would else stop the next turn, or make a second branch.
 */
import type { Json } from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'
import type { SessionChange } from '../session/change-session.ts'

export interface ClientRequest {
  kind: 'cancel' | 'interrupt' | 'branch' | 'regenerate' | 'edit' | 'rewind'
  /** The client's own; undefined: it does not repeat what it sends. */
  id: string | undefined
}

/** Nobody repeats a request after so long. */
const keptDays = 7

/** Does it, unless it has been done: then only what was answered is answered again. `answer` must survive JSON. */
export const once = async <Answer extends object>(
  { tx, session }: Pick<SessionChange, 'tx' | 'session'>,
  request: ClientRequest,
  act: () => Promise<Answer>,
): Promise<Answer> => {
  const earlier = await answered<Answer>(tx, session.id, request)
  if (earlier !== undefined) return earlier
  const answer = await act()
  if (request.id === undefined) return answer
  await tx.query(
    `with old as (
       delete from workbench.client_requests
       where session_id = $1 and answered_at < now() - $5 * interval '1 day'
     )
     insert into workbench.client_requests (session_id, kind, request_id, answer) values ($1, $2, $3, $4)`,
    [session.id, request.kind, request.id, JSON.stringify(answer), keptDays],
  )
  return answer
}

/** What was answered to it; undefined: it is new. The session must be the caller's. */
export const answered = async <Answer extends object>(
  database: Queryable,
  sessionId: string,
  { kind, id }: ClientRequest,
): Promise<Answer | undefined> => {
  if (id === undefined) return undefined
  const [row] = await database.query<{ answer: Json }>(
    'select answer from workbench.client_requests where session_id = $1 and kind = $2 and request_id = $3',
    [sessionId, kind, id],
  )
  return row?.answer as Answer | undefined
}
