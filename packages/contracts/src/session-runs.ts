/** A turn of a session as it is shown. */
import { z } from 'zod'
import { instant, jsonObject } from './json.ts'
import { permissionMode } from './turn.ts'
import { usageView } from './usage.ts'

/** `waiting`: parked, with no sandbox alive, until somebody answers or a provider takes requests again. */
export const runStatus = z.enum([
  'queued',
  'claimed',
  'running',
  'waiting',
  'completed',
  'failed',
  'canceling',
  'canceled',
])
export type RunStatus = z.infer<typeof runStatus>

export const runView = z.object({
  run_id: z.uuid(),
  session_id: z.uuid(),
  user_message_id: z.int(),
  status: runStatus,
  permission_mode: permissionMode,
  progress: z.int(),
  schedule_mode: z.string(),
  /** What made it, where that was no person. */
  scheduled_task_id: z.uuid().nullable(),
  /** Not taken before. */
  scheduled_at: instant,
  config_snapshot: jsonObject,
  state_patch: jsonObject,
  attempts: z.int(),
  claimed_by: z.string().nullable(),
  last_error: z.string().nullable(),
  workspace_export_status: z.enum(['pending', 'ready', 'failed']).nullable(),
  workspace_files_prefix: z.string().nullable(),
  workspace_manifest_key: z.string().nullable(),
  /** Summed over the attempts. */
  usage: usageView.nullable(),
  created_at: instant,
  started_at: instant.nullable(),
  finished_at: instant.nullable(),
})
export type RunView = z.infer<typeof runView>
