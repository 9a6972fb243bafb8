/** Rows as PostgreSQL answers them, and the wire's views of them. */
import type {
  AgentResult,
  JobError,
  Json,
  JsonObject,
  MessageView,
  PermissionMode,
  RunStatus,
  RunView,
  ScheduleMode,
  SessionStatus,
  SessionView,
  TaskConfig,
  UsageView,
} from '@tutti/contracts'

export type ExportStatus = 'pending' | 'ready' | 'failed'

export interface SessionRow {
  id: string
  user_id: string
  project_id: string | null
  title: string | null
  kind: 'chat' | 'scheduled'
  origin: string | null
  is_pinned: boolean
  pinned_at: Date | null
  is_deleted: boolean
  status: SessionStatus
  sdk_session_id: string | null
  config_snapshot: JsonObject | null
  state_patch: JsonObject
  workspace_export_status: ExportStatus | null
  workspace_files_prefix: string | null
  workspace_manifest_key: string | null
  /** The manager that had its last run. */
  warm_worker: string | null
  /** The sessions that it was branched from, nearest first. */
  ancestors: string[]
  seq: number
  created_at: Date
  updated_at: Date
}

/** What the engine is to be told of a run that has ended. */
export type StoredOutcome =
  | { status: 'success'; data: AgentResult; error: null }
  | { status: 'failure' | 'cancelled'; data: null; error: JobError | null }

/** `turn`: it waits until an earlier run of the session, which is parked, has ended. */
export interface Park {
  reason: 'input' | 'rate_limit' | 'turn'
  /** Milliseconds since the epoch. */
  until: number | null
}

export interface RunRow {
  id: string
  session_id: string
  user_id: string
  user_message_id: number
  client_request_id: string | null
  scheduled_task_id: string | null
  prompt: string
  permission_mode: PermissionMode
  schedule_mode: ScheduleMode
  config: TaskConfig
  /** Not handed out before. */
  scheduled_at: Date
  status: RunStatus
  job_id: string
  /** The job whose child it is, where a blueprint's agent may ask. */
  asked_by: string | null
  job_created_at: Date | null
  task_id: string | null
  task_attempt: number
  attended: boolean
  park: Park | null
  parks: number
  attempt: number
  claimed_by: string | null
  lease_token: string | null
  received_n: number
  outcome: StoredOutcome | null
  reported_at: Date | null
  last_error: string | null
  model: string | null
  sandbox: string | null
  /** The run of another session whose copy it is. */
  copied_from: string | null
  copied_from_session: string | null
  memory_writes: number
  state_patch: JsonObject
  workspace_export_status: ExportStatus | null
  /** The agent's conversation, as this run left it. */
  sdk_session_id: string | null
  workspace_files_prefix: string | null
  /** The snapshot that it left. */
  workspace_manifest_key: string | null
  /** The snapshot that it began with; null before the session's first, and of a run that nobody has begun. */
  base_manifest_key: string | null
  check_at: Date | null
  created_at: Date
  started_at: Date | null
  finished_at: Date | null
}

export interface MessageRow {
  id: number
  role: MessageView['role']
  content: JsonObject
  text_preview: string | null
  created_at: Date
  updated_at: Date
}

/** What waits in a session's queue, counted. */
export interface QueueFacts {
  queued_query_count: number
  next_queued_query_preview: string | null
}

/** A run that has ended is never changed again. */
export const hasEnded = (status: RunStatus): boolean =>
  status === 'completed' || status === 'failed' || status === 'canceled'

/** Somebody works on it, or did until a moment ago. */
export const isHeld = (status: RunStatus): boolean =>
  status === 'claimed' || status === 'running' || status === 'canceling'

export const sessionView = (row: SessionRow & QueueFacts): SessionView => ({
  session_id: row.id,
  user_id: row.user_id,
  project_id: row.project_id,
  title: row.title,
  kind: row.kind,
  origin: row.origin,
  is_pinned: row.is_pinned,
  pinned_at: row.pinned_at?.toISOString() ?? null,
  queued_query_count: row.queued_query_count,
  next_queued_query_preview: row.next_queued_query_preview,
  status: row.status,
  sdk_session_id: row.sdk_session_id,
  config_snapshot: row.config_snapshot,
  state_patch: row.state_patch,
  workspace_export_status: row.workspace_export_status,
  seq: row.seq,
  created_at: row.created_at.toISOString(),
  updated_at: row.updated_at.toISOString(),
})

/** @param usage null: it has used nothing yet */
export const runView = (row: RunRow, usage: UsageView | null): RunView => ({
  run_id: row.id,
  session_id: row.session_id,
  user_message_id: row.user_message_id,
  status: row.status,
  permission_mode: row.permission_mode,
  progress: progressOf(row),
  schedule_mode: row.schedule_mode,
  scheduled_task_id: row.scheduled_task_id,
  scheduled_at: row.scheduled_at.toISOString(),
  config_snapshot: withoutWorkspace(row.config),
  state_patch: row.state_patch,
  attempts: row.attempt,
  claimed_by: row.claimed_by,
  last_error: row.last_error,
  workspace_export_status: row.workspace_export_status,
  workspace_files_prefix: row.workspace_files_prefix,
  workspace_manifest_key: row.workspace_manifest_key,
  usage,
  created_at: row.created_at.toISOString(),
  started_at: row.started_at?.toISOString() ?? null,
  finished_at: row.finished_at?.toISOString() ?? null,
})

/** Files to be staged may be megabytes, in each run of a list. */
const withoutWorkspace = ({ workspace: _, ...config }: TaskConfig): JsonObject => config as JsonObject

export const messageView = (row: MessageRow): MessageView => ({
  ...row,
  created_at: row.created_at.toISOString(),
  updated_at: row.updated_at.toISOString(),
})

/** Percent of the plan that is done, of a session or a run; the whole of it once it is completed. */
export const progressOf = (of: { status: string; state_patch: JsonObject }): number => {
  if (of.status === 'completed') return 100
  const todos: Json = of.state_patch.todos ?? []
  if (!Array.isArray(todos) || todos.length === 0) return 0
  const done = todos.filter((todo) => isObject(todo) && todo.status === 'completed').length
  return Math.floor((100 * done) / todos.length)
}

const isObject = (value: Json): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
