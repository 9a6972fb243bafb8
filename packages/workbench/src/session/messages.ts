/** Messages as they are stored: shaped like the serialised objects of the agent SDK, `_type` naming the class. */
import type { AgentEvent, ContentBlock, JsonObject, MessageView } from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'
import type { SessionLog } from './log.ts'
import { type MessageRow, messageView } from './rows.ts'
import { wordsOf } from './words.ts'

export type NewMessage = Pick<MessageView, 'role' | 'content' | 'text_preview'> & {
  /** Its words, to be found by. */
  words: string
}

const previewLength = 500

const preview = (text: string): string | null => (text === '' ? null : text.slice(0, previewLength).toWellFormed())

const blockContent = (block: ContentBlock): JsonObject => {
  switch (block.type) {
    case 'text':
      return { _type: 'TextBlock', text: block.text }
    case 'thinking':
      return { _type: 'ThinkingBlock', thinking: block.thinking }
    case 'tool_use':
      return { _type: 'ToolUseBlock', id: block.id, name: block.name, input: block.input }
    case 'tool_result':
      return {
        _type: 'ToolResultBlock',
        tool_use_id: block.tool_use_id,
        content: block.content,
        is_error: block.is_error,
      }
  }
}

export const promptMessage = (prompt: string): NewMessage => ({
  role: 'user',
  content: { _type: 'UserMessage', content: [{ _type: 'TextBlock', text: prompt }], parent_tool_use_id: null },
  text_preview: preview(prompt),
  words: wordsOf(prompt),
})

export const agentMessage = (event: AgentEvent & { type: 'message' }): NewMessage => {
  const text = event.blocks.map((block) => (block.type === 'text' ? block.text : '')).join('')
  return {
    role: event.role,
    content: {
      _type: event.role === 'assistant' ? 'AssistantMessage' : 'UserMessage',
      content: event.blocks.map(blockContent),
      parent_tool_use_id: event.parent_tool_use_id,
    },
    text_preview: preview(text),
    words: wordsOf(text),
  }
}

/** The runtime's own account of how a turn ended. */
export const resultMessage = (event: AgentEvent & { type: 'done' | 'error' }): NewMessage => ({
  role: 'system',
  content: {
    _type: 'ResultMessage',
    subtype: event.type === 'done' ? 'success' : event.code,
    is_error: event.type === 'error',
    result: event.type === 'done' ? event.result : event.message,
    ...(event.type === 'done' && event.output !== undefined ? { structured_output: event.output } : {}),
    session_id: event.type === 'done' ? event.agent_session_id : null,
    duration_ms: event.type === 'done' ? event.duration_ms : null,
    num_turns: event.type === 'done' ? event.turns : null,
    usage: event.usage ?? null,
    total_cost_usd: event.cost_usd ?? null,
  },
  text_preview: preview(event.type === 'done' ? event.result : event.message),
  // The answer stands in the message before.
  words: event.type === 'done' ? '' : wordsOf(event.message),
})

/** A message of a run of a session. */
export type PlacedMessage = NewMessage & { session_id: string; run_id: string }

/** Stores messages, of one session or of many, in this order: their ids rise with it. Answers them in the same order. */
export const insertMessages = async (tx: Queryable, messages: readonly PlacedMessage[]): Promise<MessageRow[]> => {
  if (messages.length === 0) return []
  const rows = await tx.query<MessageRow>(
    `insert into workbench.messages (session_id, run_id, role, content, text_preview, search)
     select message.session_id, message.run_id, message.role, message.content, message.text_preview,
            to_tsvector('simple', message.words)
     from rows from (jsonb_to_recordset($1::jsonb)
         as (session_id uuid, run_id uuid, role text, content jsonb, text_preview text, words text))
       with ordinality as message (session_id, run_id, role, content, text_preview, words, place)
     order by message.place
     returning id, role, content, text_preview, created_at, updated_at`,
    [JSON.stringify(messages)],
    'messages_insert',
  )
  return rows.sort((a, b) => a.id - b.id)
}

/** The same for one message. */
export const insertMessage = async (tx: Queryable, message: PlacedMessage): Promise<MessageRow> => {
  const [row] = await insertMessages(tx, [message])
  if (!row) throw new Error('PostgreSQL did not answer the message that it stored')
  return row
}

/** The log's line of a stored message. */
export const logMessage = (change: Pick<SessionLog, 'log'>, runId: string, row: MessageRow, entry?: string): void => {
  const view = messageView(row)
  change.log('message.new', { ...view, timestamp: view.created_at, run_id: runId }, entry)
}
