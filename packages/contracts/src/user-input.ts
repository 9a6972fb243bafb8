/** What an agent asks a person, and what the person answers. */
import { z } from 'zod'
import { instant, jsonObject } from './json.ts'
import { permissionMode } from './turn.ts'

/** What an agent wants of a person. It is shown until it is answered, or nobody waits for it any more. */
export const userInputRequestView = z.object({
  id: z.uuid(),
  session_id: z.uuid(),
  run_id: z.uuid(),
  /** Answers to its questions, a yes to its plan, a yes to the use of a tool. */
  kind: z.enum(['question', 'plan', 'permission']),
  tool_use_id: z.string(),
  tool_name: z.string(),
  /** `questions` of a question, `plan` of a plan, else what the tool is to be called with. */
  tool_input: jsonObject,
  status: z.enum(['pending', 'answered', 'expired']),
  decision: z.enum(['allow', 'deny']).nullable(),
  answers: jsonObject.nullable(),
  expires_at: instant,
  created_at: instant,
  answered_at: instant.nullable(),
})
export type UserInputRequestView = z.infer<typeof userInputRequestView>

/**
 * POST /api/v1/user-input-requests/{id}/answer. `answers` by the text of the question, several choices joined with ", "; of a plan or a
 * permission `{ approved: "true" | "false" }`. `decision` says the same, and lets a question be refused.
 */
export const answerRequest = z.object({
  answers: z.record(z.string(), z.string().max(100_000)).optional(),
  decision: z.enum(['allow', 'deny']).optional(),
  /** Told to the agent: why not, or what to do instead. */
  message: z.string().trim().min(1).max(100_000).optional(),
  /** Of a permission: what the tool is to be called with instead. */
  input: jsonObject.optional(),
  /** Of a plan: what it is carried out under. */
  permission_mode: permissionMode.optional(),
  /** Of a permission: exactly this needs no consent from here on, in this session. */
  remember: z.boolean().optional(),
})
export type AnswerRequest = z.infer<typeof answerRequest>
