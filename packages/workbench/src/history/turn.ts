import { TuttiError } from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'
import { openItems } from '../queue/rows.ts'
import type { SessionChange } from '../session/change-session.ts'
import type { RunRow } from '../session/rows.ts'
import { openRuns } from '../session/runs.ts'

/** The run whose turn the message belongs to. @throws TuttiError MESSAGE_NOT_FOUND */
export const runOfMessage = async (
  tx: Queryable,
  sessionId: string,
  messageId: number,
  path: string,
): Promise<RunRow> => {
  const [run] = await tx.query<RunRow>(
    `select r.* from workbench.messages m join workbench.runs r on r.id = m.run_id
     where m.id = $1 and m.session_id = $2`,
    [messageId, sessionId],
  )
  if (!run) throw new TuttiError('MESSAGE_NOT_FOUND', 'Message not found in this session', { path })
  return run
}

/**
 * History is rewritten only where nobody writes it: an executor that works on a turn must never find itself in another one.
 * @throws TuttiError SESSION_CANCELING, SESSION_BUSY, QUEUE_NOT_EMPTY
 */
export const refuseUnlessAtRest = async ({ tx, session }: SessionChange): Promise<void> => {
  if (session.status === 'canceling') throw new TuttiError('SESSION_CANCELING', 'The session’s turn is being stopped')
  if ((await openRuns(tx, session.id)).length > 0)
    throw new TuttiError('SESSION_BUSY', 'A turn of this session is under way')
  if ((await openItems(tx, session.id)).length > 0)
    throw new TuttiError('QUEUE_NOT_EMPTY', 'Messages of this session wait for their turn')
}
