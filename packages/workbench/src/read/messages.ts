import { type InputFile, type MessageView, TuttiError } from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'
import { type MessageRow, messageView } from '../session/rows.ts'
import { readSession } from './sessions.ts'

export interface AfterMessage {
  afterId: number
  limit: number
}

/** Oldest first, those after the id. @throws TuttiError SESSION_NOT_FOUND */
export const listMessages = async (
  database: Queryable,
  userId: string,
  sessionId: string,
  { afterId, limit }: AfterMessage,
): Promise<MessageView[]> => {
  await readSession(database, userId, sessionId)
  const rows = await database.query<MessageRow>(
    `select id, role, content, text_preview, created_at, updated_at from workbench.messages
     where session_id = $1 and id > $2 order by id limit $3`,
    [sessionId, afterId, limit],
  )
  return rows.map(messageView)
}

/** @throws TuttiError MESSAGE_NOT_FOUND, also for a stranger's */
export const readMessage = async (database: Queryable, userId: string, id: number): Promise<MessageView> => {
  const [row] = await database.query<MessageRow>(
    `select m.id, m.role, m.content, m.text_preview, m.created_at, m.updated_at
     from workbench.messages m join workbench.sessions s on s.id = m.session_id
     where m.id = $1 and s.user_id = $2 and not s.is_deleted`,
    [id, userId],
  )
  if (!row) throw new TuttiError('MESSAGE_NOT_FOUND', 'Message not found')
  return messageView(row)
}

export interface MessageFiles {
  message_id: number
  files: InputFile[]
}

/** The files that came with the user's messages, of messages after the id. @throws TuttiError SESSION_NOT_FOUND */
export const listMessageFiles = async (
  database: Queryable,
  userId: string,
  sessionId: string,
  { afterId, limit }: AfterMessage,
): Promise<MessageFiles[]> => {
  await readSession(database, userId, sessionId)
  return database.query<MessageFiles>(
    `select user_message_id as message_id, config -> 'input_files' as files from workbench.runs
     where session_id = $1 and user_message_id > $2 and jsonb_array_length(coalesce(config -> 'input_files', '[]')) > 0
     order by user_message_id limit $3`,
    [sessionId, afterId, limit],
  )
}
