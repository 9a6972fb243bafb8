/** What a session holds: messages, calls of tools, files; and how it is searched. */
import { z } from 'zod'
import { instant, json, jsonObject } from './json.ts'
import { sessionStatus } from './sessions.ts'
import { inputFile } from './task-config.ts'

/** `content` is shaped like a serialised SDK message: `_type` names the class. */
export const messageView = z.object({
  id: z.int(),
  role: z.enum(['user', 'assistant', 'system']),
  content: jsonObject,
  text_preview: z.string().nullable(),
  created_at: instant,
  updated_at: instant,
})
export type MessageView = z.infer<typeof messageView>

export const toolExecutionView = z.object({
  id: z.uuid(),
  session_id: z.uuid(),
  run_id: z.uuid(),
  tool_use_id: z.string(),
  tool_name: z.string(),
  tool_input: jsonObject,
  tool_output: json.nullable(),
  is_error: z.boolean(),
  duration_ms: z.int().nullable(),
  created_at: instant,
  /** With microseconds: a delta's cursor goes on from it. */
  updated_at: instant,
})
export type ToolExecutionView = z.infer<typeof toolExecutionView>

/** A file of a message as it is shown. `url` is presigned; null where the file lies elsewhere. */
export const attachmentView = inputFile.extend({ url: z.string().nullable() })
export type AttachmentView = z.infer<typeof attachmentView>

/** GET /api/v1/search */
export const searchAnswer = z.object({
  query: z.string(),
  tasks: z.array(
    z.object({ session_id: z.uuid(), title: z.string().nullable(), status: sessionStatus, timestamp: instant }),
  ),
  projects: z.array(z.object({ project_id: z.uuid(), name: z.string() })),
  messages: z.array(
    z.object({ message_id: z.int(), session_id: z.uuid(), text_preview: z.string().nullable(), timestamp: instant }),
  ),
})
export type SearchAnswer = z.infer<typeof searchAnswer>
