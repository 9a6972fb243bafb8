/** A session’s past changed or gone on from elsewhere: branch, regenerate, edit. */
import { z } from 'zod'
import { clientRequestId, createTask } from './tasks.ts'

/** POST /api/v1/sessions/{id}/branch: a new session with everything up to the end of the message's turn. */
export const branchSession = z.object({
  message_id: z.int().positive(),
  client_request_id: clientRequestId.optional(),
})
export type BranchSession = z.input<typeof branchSession>
export const sessionBranched = z.object({
  session_id: z.uuid(),
  source_session_id: z.uuid(),
  /** The last message of the source that was copied. */
  cutoff_message_id: z.int(),
  /** Whether the agent remembers the conversation; not where the turn stored no snapshot. */
  agent_memory: z.boolean(),
  /** Whether the branch begins with the files as the turn left them. */
  workspace: z.boolean(),
})
export type SessionBranched = z.infer<typeof sessionBranched>

const otherModel = { model: z.string().min(1).max(200).nullish(), model_provider_id: z.string().max(100).nullish() }

/** POST /api/v1/sessions/{id}/regenerate: the turn again; its answer and all that came after it are taken back. */
export const regenerate = z.object({
  user_message_id: z.int().positive(),
  assistant_message_id: z.int().positive(),
  client_request_id: clientRequestId.optional(),
  ...otherModel,
})

/** POST /api/v1/sessions/{id}/edit-message: the turn again, with other words. */
export const editMessage = z.object({
  user_message_id: z.int().positive(),
  content: createTask.shape.prompt,
  client_request_id: clientRequestId.optional(),
  ...otherModel,
})
