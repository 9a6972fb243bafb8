/**
 * The workbench API: sessions, messages, runs, files, and the live stream of a session.
 * Every JSON answer stands in the envelope `{code, message, data}`; code 0 is success.
 */
import { z } from 'zod'
import { instant, json, jsonObject } from './json.ts'
import { scheduleMode } from './schedule-mode.ts'
import { mcpServer, permissionMode, permissionRules, subAgent } from './turn.ts'

export const envelope = <T extends z.ZodType>(data: T) =>
  z.object({ code: z.int(), message: z.string(), data: data.nullable() })

export const sessionStatus = z.enum(['pending', 'running', 'completed', 'failed', 'canceling', 'canceled'])
export type SessionStatus = z.infer<typeof sessionStatus>
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

/** A file to put into the workspace before the turn: its text here, or an object's key. */
export const stagedFile = z.object({ path: z.string().min(1).max(1024), content: z.string().max(8_000_000) })
export type StagedFile = z.infer<typeof stagedFile>

/** What a run works with. `folder` is a folder of the manager's host, copied in; only below its STAGING_ROOTS. */
export const workspaceSpec = z.object({
  folder: z.object({ host_path: z.string().min(1), path: z.string().min(1).max(256) }).optional(),
  files: z.array(stagedFile).max(1000).optional(),
})
export type WorkspaceSpec = z.infer<typeof workspaceSpec>

/** A file that belongs to a message: uploaded before, or at an address. */
export const inputFile = z.object({
  id: z.string().max(200).nullish(),
  type: z.enum(['file', 'url']).default('file'),
  name: z.string().min(1).max(255),
  /** The key that the upload answered, or the address. */
  source: z.string().min(1).max(2048),
  size: z.int().nonnegative().nullish(),
  content_type: z.string().max(255).nullish(),
  /** Where it lies in the workspace. */
  path: z.string().max(1024).nullish(),
})
export type InputFile = z.infer<typeof inputFile>

/** The most that a run, a session, … may use up; what is absent has no limit. */
export const budget = z.object({
  tokens: z.int().positive().optional(),
  cost_usd: z.number().positive().optional(),
  wall_seconds: z.number().positive().optional(),
})
export type Budget = z.infer<typeof budget>

/** By the id of what is switched on or off for this task. */
const toggles = z.record(z.string(), z.boolean())

export const taskConfig = z.object({
  model: z.string().min(1).max(200).optional(),
  model_provider_id: z.string().min(1).max(100).optional(),
  runtime: z.enum(['claude', 'acp']).optional(),
  /** Of the runtime `acp`. */
  command: z.array(z.string().max(4096)).min(1).max(100).optional(),
  preset_id: z.int().optional(),
  tools: z.array(z.string()).max(200).optional(),
  instructions: z.string().max(100_000).optional(),
  max_turns: z.int().min(1).max(10_000).optional(),
  workspace: workspaceSpec.optional(),
  input_files: z.array(inputFile).max(1000).optional(),
  repo_url: z.string().max(2048).optional(),
  git_branch: z.string().min(1).max(255).optional(),
  /** The name of the owner's secret that holds the token, never the token. */
  git_token_env_key: z.string().min(1).max(255).optional(),
  browser_enabled: z.boolean().optional(),
  memory_enabled: z.boolean().optional(),
  mcp_config: toggles.optional(),
  skill_config: toggles.optional(),
  plugin_config: toggles.optional(),
  subagent_ids: z.array(z.int()).max(100).optional(),
  subagent_configs: z
    .array(subAgent.extend({ name: z.string().regex(/^[A-Za-z0-9._-]{1,100}$/) }))
    .max(100)
    .optional(),
  /** Beside the installed ones. */
  mcp_servers: z.record(z.string().regex(/^[A-Za-z0-9._-]{1,100}$/), mcpServer).optional(),
  permission_rules: permissionRules.optional(),
  budget: budget.optional(),
  /** Hosts that the agent may reach: names, `*.` before one for all below it, with a port other than 80 and 443 after a colon. */
  egress: z.array(z.string().min(1).max(300)).max(100).optional(),
  /** How long a question may wait for its answer. */
  answer_timeout_seconds: z.number().positive().max(31_536_000).optional(),
  output_schema: jsonObject.optional(),
})
export type TaskConfig = z.infer<typeof taskConfig>

const nullable = <S extends z.ZodRawShape>(shape: S): { [K in keyof S]: z.ZodNullable<S[K]> } =>
  Object.fromEntries(Object.entries(shape).map(([key, schema]) => [key, z.nullable(schema)])) as {
    [K in keyof S]: z.ZodNullable<S[K]>
  }

/** What changes in a session's configuration: null takes a key out, toggles and other maps are merged by name. */
export const taskConfigPatch = z.object(nullable(taskConfig.shape))
export type TaskConfigPatch = z.infer<typeof taskConfigPatch>

const prompt = z.string().trim().min(1).max(1_000_000)

/** POST /api/v1/tasks: a message for a new session, or for the one named. */
export const createTask = z.object({
  prompt,
  session_id: z.uuid().nullish(),
  project_id: z.uuid().nullish(),
  permission_mode: permissionMode.default('default'),
  config: taskConfigPatch.nullish(),
  /** `immediate` where nothing is said, `scheduled` (at `scheduled_at`), `nightly`, or a mode of the operator's own: it waits until a manager's window for it is open. */
  schedule_mode: scheduleMode.optional(),
  /** ISO 8601; without an offset it is read in `timezone`, an IANA name, or UTC. */
  scheduled_at: z.string().trim().max(64).nullish(),
  timezone: z.string().trim().max(64).nullish(),
  /** Sending the same request twice with the same id gives the same run. */
  client_request_id: z.string().min(1).max(128).nullish(),
})
export type CreateTask = z.input<typeof createTask>

export const taskCreated = z.object({
  session_id: z.uuid(),
  /** `queued_query`: the session is busy, the message waits for the turn before it. */
  accepted_type: z.enum(['run', 'queued_query']),
  run_id: z.uuid().nullable(),
  queue_item_id: z.uuid().nullable(),
  /** Of the run, or of the queue item. */
  status: z.union([runStatus, z.enum(['paused', 'promoted'])]),
  /** Messages of the session that wait, this one included. */
  queued_query_count: z.int(),
})
export type TaskCreated = z.infer<typeof taskCreated>

/** POST /api/v1/sessions/{id}/messages/steer: something to say to the agent while it works. */
export const steerSession = z.object({
  prompt: z.string().trim().min(1).max(100_000),
  /** Sending the same request twice with the same id says it once. */
  client_request_id: z.string().min(1).max(128).optional(),
})
export type SteerSession = z.input<typeof steerSession>

/** `command`: the run at work will hear it. Without one it was taken as POST /api/v1/tasks takes it. */
export const steerAnswer = z.union([
  z.object({
    session_id: z.uuid(),
    accepted_type: z.literal('command'),
    run_id: z.uuid(),
    command_id: z.uuid(),
  }),
  taskCreated,
])
export type SteerAnswer = z.infer<typeof steerAnswer>

export const sessionView = z.object({
  session_id: z.uuid(),
  user_id: z.string(),
  project_id: z.uuid().nullable(),
  title: z.string().nullable(),
  kind: z.enum(['chat', 'scheduled']),
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

/** PATCH /api/v1/sessions/{id}. Nothing else of a session is the user's to change. */
export const patchSession = z.strictObject({
  title: z.string().trim().min(1).max(255).nullish(),
  is_pinned: z.boolean().optional(),
  project_id: z.uuid().nullish(),
  config: taskConfigPatch.omit({ workspace: true, input_files: true }).optional(),
})
export type PatchSession = z.infer<typeof patchSession>

export const queueItemStatus = z.enum(['queued', 'paused', 'promoted', 'canceled'])

/** A message typed while the agent was busy. `paused`: the turn before it failed; nothing goes on by itself. */
export const queueItemView = z.object({
  queue_item_id: z.uuid(),
  session_id: z.uuid(),
  sequence_no: z.int(),
  status: queueItemStatus,
  prompt: z.string(),
  permission_mode: permissionMode,
  attachments: z.array(inputFile),
  client_request_id: z.string().nullable(),
  linked_run_id: z.uuid().nullable(),
  linked_user_message_id: z.int().nullable(),
  created_at: instant,
  updated_at: instant,
})
export type QueueItemView = z.infer<typeof queueItemView>

/** PATCH /api/v1/sessions/{id}/queued-queries/{item} */
export const patchQueueItem = z.strictObject({
  prompt: prompt.optional(),
  attachments: z.array(inputFile).max(1000).optional(),
})
export type PatchQueueItem = z.infer<typeof patchQueueItem>

/** POST /api/v1/sessions/{id}/branch: a new session with everything up to the end of the message's turn. */
export const branchSession = z.object({ message_id: z.int().positive() })
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
  ...otherModel,
})

/** POST /api/v1/sessions/{id}/edit-message: the turn again, with other words. */
export const editMessage = z.object({ user_message_id: z.int().positive(), content: prompt, ...otherModel })

/** POST /api/v1/sessions/{id}/cancel */
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

export const usageView = z.object({
  input_tokens: z.int(),
  output_tokens: z.int(),
  cache_creation_input_tokens: z.int(),
  cache_read_input_tokens: z.int(),
  cost_usd: z.number(),
  duration_ms: z.int(),
})
export type UsageView = z.infer<typeof usageView>

export const runView = z.object({
  run_id: z.uuid(),
  session_id: z.uuid(),
  user_message_id: z.int(),
  status: runStatus,
  permission_mode: permissionMode,
  progress: z.int(),
  schedule_mode: z.string(),
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

/** A file of an exported workspace. `url` is presigned and expires. */
export const fileView = z.object({
  path: z.string(),
  size: z.int(),
  sha256: z.string(),
  key: z.string(),
  url: z.string(),
})
export type FileView = z.infer<typeof fileView>

/**
 * A frame of WS /api/v1/ws/sessions/{id}. `seq` counts the session's log without gaps; connect with `?since=seq` to go on
 * after it. `message.chunk` frames are for live display, are not stored, and repeat the `seq` of the line before them.
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
    'run.attempt',
    'usage',
  ]),
  session_id: z.uuid(),
  seq: z.int(),
  data: jsonObject,
  timestamp: instant,
})
export type SessionFrame = z.infer<typeof sessionFrame>

/** GET /api/v1/sessions/{id}/usage: every number summed over the session's turns. */
export const sessionUsage = z.object({ total_duration_ms: z.int(), usage_json: z.record(z.string(), z.number()) })
export type SessionUsage = z.infer<typeof sessionUsage>

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

/** A file of a message as it is shown. `url` is presigned; null where the file lies elsewhere. */
export const attachmentView = inputFile.extend({ url: z.string().nullable() })
export type AttachmentView = z.infer<typeof attachmentView>

const usageTotals = usageView.extend({ runs: z.int() })
const usageBuckets = z.object({ buckets: z.array(usageTotals.extend({ bucket: z.string() })) })

/** GET /api/v1/usage/analytics: a user's usage, without the copies that branches got. */
export const usageAnalytics = z.object({
  timezone: z.string(),
  month: z.string(),
  day: z.string(),
  summary: z.object({ month: usageTotals, day: usageTotals, all_time: usageTotals }),
  /** A bucket for each day of the month, `YYYY-MM-DD`. */
  month_view: usageBuckets,
  /** A bucket for each hour of the day, by the instant at which it begins. */
  day_view: usageBuckets,
})
export type UsageAnalytics = z.infer<typeof usageAnalytics>
