import type { MessageView } from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'
import { type MessageRow, messageView } from '../session/rows.ts'
import { readSession } from './sessions.ts'

/** Oldest first, those after the id. @throws TuttiError SESSION_NOT_FOUND */
export const listMessages = async (
  database: Queryable,
  userId: string,
  sessionId: string,
  { afterId, limit }: { afterId: number; limit: number },
): Promise<MessageView[]> => {
  await readSession(database, userId, sessionId)
  const rows = await database.query<MessageRow>(
    `select id, role, content, text_preview, created_at from workbench.messages
     where session_id = $1 and id > $2 order by id limit $3`,
    [sessionId, afterId, limit],
  )
  return rows.map(messageView)
}
