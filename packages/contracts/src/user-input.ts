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
  /** The user, or whom the link was for with which it was answered. */
  answered_by: z.string().nullable(),
  expires_at: instant,
  created_at: instant,
  answered_at: instant.nullable(),
})
export type UserInputRequestView = z.infer<typeof userInputRequestView>

/** What waits for a person's decision: what agents ask, and approvals of blueprints' jobs. GET /api/v1/inbox, oldest first. */
export const inboxItem = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('request'),
    /** Answered at POST /api/v1/user-input-requests/{id}/answer. */
    request: userInputRequestView,
    session_title: z.string().nullable(),
    created_at: instant,
  }),
  z.object({
    kind: z.literal('approval'),
    /** Decided at POST /api/v1/jobs/{id}/approve of the orchestrator. */
    job_id: z.string(),
    blueprint: z.string(),
    message: z.string(),
    /** What can be decided. */
    decisions: z.array(z.string()),
    assignees: z.array(z.string()),
    expires_at: instant.nullable(),
    created_at: instant,
  }),
])
export type InboxItem = z.infer<typeof inboxItem>

/** POST /api/v1/user-input-requests/{id}/link: with it whoever has it may answer once, without an account. */
export const createRequestLink = z.strictObject({
  /** Whom it is for: told as who answered. */
  to: z.string().trim().min(1).max(200),
  /** Never longer than the request waits. */
  expires_in_seconds: z.int().min(60).max(2_592_000).default(86_400),
})
export type CreateRequestLink = z.input<typeof createRequestLink>

export const requestLink = z.object({ url: z.url(), to: z.string(), expires_at: instant })
export type RequestLink = z.infer<typeof requestLink>

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
