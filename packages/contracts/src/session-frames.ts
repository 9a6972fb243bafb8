/** The live stream of a session. */
import { z } from 'zod'
import { instant, jsonObject } from './json.ts'

/**
 * A frame of WS /api/v1/ws/sessions/{id}. `seq` counts the session's log without gaps; connect with `?since=seq` to go on
 * after it. `message.chunk` frames are for live display, are not stored, and repeat the `seq` of the line before them; so are
 * `workspace.files` and `workspace.file.url`, whose addresses expire.
 */
export const sessionFrame = z.object({
  type: z.enum([
    'session.snapshot',
    'session.status',
    'session.patch',
    'user_input.update',
    'queue.update',
    'messages.removed',
    'screenshot',
    'message.new',
    'message.chunk',
    'tool.call',
    'tool.result',
    'todo.update',
    'workspace.export',
    'workspace.files',
    'workspace.file.url',
    'run.attempt',
    'usage',
    'memory.update',
  ]),
  session_id: z.uuid(),
  seq: z.int(),
  data: jsonObject,
  timestamp: instant,
})
export type SessionFrame = z.infer<typeof sessionFrame>
