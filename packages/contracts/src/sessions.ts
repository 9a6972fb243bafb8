/** A conversation with its workspace, as it is listed, shown, changed and stopped. */
import { z } from 'zod'
import { instant, jsonObject } from './json.ts'
import { taskConfigPatch } from './task-config.ts'
import { clientRequestId, origin } from './tasks.ts'

export const sessionStatus = z.enum(['pending', 'running', 'completed', 'failed', 'canceling', 'canceled'])
export type SessionStatus = z.infer<typeof sessionStatus>

export const sessionView = z.object({
  session_id: z.uuid(),
  user_id: z.string(),
  project_id: z.uuid().nullable(),
  title: z.string().nullable(),
  kind: z.enum(['chat', 'scheduled']),
  /** What its client said of where it was begun; a branch has that of its source. */
  origin: z.string().nullable(),
  is_pinned: z.boolean(),
  pinned_at: instant.nullable(),
  status: sessionStatus,
  sdk_session_id: z.string().nullable(),
  config_snapshot: jsonObject.nullable(),
  /** Messages that wait for their turn, and how the next one begins. */
  queued_query_count: z.int(),
  next_queued_query_preview: z.string().nullable(),
  state_patch: jsonObject,
  workspace_export_status: z.enum(['pending', 'ready', 'failed']).nullable(),
  /** Number of the newest line in the session's log. */
  seq: z.int(),
  created_at: instant,
  updated_at: instant,
})
export type SessionView = z.infer<typeof sessionView>

/** GET /api/v1/sessions/{id}/state: what changes often. */
export const sessionStateView = sessionView.pick({
  session_id: true,
  status: true,
  state_patch: true,
  workspace_export_status: true,
  queued_query_count: true,
  next_queued_query_preview: true,
  updated_at: true,
})
export type SessionStateView = z.infer<typeof sessionStateView>

/** POST /api/v1/sessions: one in which nothing was said yet. Its first message gives it a title. */
export const createSession = z.strictObject({
  config: taskConfigPatch.omit({ workspace: true, input_files: true }).nullish(),
  project_id: z.uuid().nullish(),
  origin: origin.nullish(),
})
export type CreateSession = z.infer<typeof createSession>

/** PATCH /api/v1/sessions/{id}. Nothing else of a session is the user's to change. */
export const patchSession = z.strictObject({
  title: z.string().trim().min(1).max(255).nullish(),
  is_pinned: z.boolean().optional(),
  project_id: z.uuid().nullish(),
  config: taskConfigPatch.omit({ workspace: true, input_files: true }).optional(),
})
export type PatchSession = z.infer<typeof patchSession>

/** POST /api/v1/sessions/{id}/cancel. With `run_id` only while that run has not ended. */
export const cancelSession = z.object({
  reason: z.string().trim().max(500).optional(),
  run_id: z.uuid().optional(),
  client_request_id: clientRequestId.optional(),
})
export type CancelSession = z.input<typeof cancelSession>

export const sessionCanceled = z.object({
  session_id: z.uuid(),
  status: sessionStatus,
  canceled_runs: z.int(),
  canceled_queued_queries: z.int(),
  expired_user_input_requests: z.int(),
  /** `pending`: a manager still has to stop the turn. */
  executor_cancel_status: z.enum(['not_required', 'pending', 'completed']),
  executor_cancel_target_worker_id: z.string().nullable(),
  executor_cancelled: z.boolean(),
})
export type SessionCanceled = z.infer<typeof sessionCanceled>
