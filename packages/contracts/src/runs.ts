/**
 * Between executor manager and backend, on the backend's API, with the header X-Internal-Token.
 * A claim is a lease of the engine's task: `lease_token` is its fencing token, and a late holder gets 409 LEASE_LOST.
 */
import { z } from 'zod'
import { tokenUsage } from './agent.ts'
import { numberedAgentEvent } from './event-numbers.ts'
import { json, jsonObject } from './json.ts'
import { memoryCall } from './memories.ts'
import { scheduleMode } from './schedule-mode.ts'
import { neededHost, stagingPlan, turnOptions } from './staging.ts'
import { taskConfig } from './task-config.ts'
import { permissionMode, requestAnswer, turnCommand } from './turn.ts'
import { workerId } from './worker.ts'

/** POST /api/v1/runs/claim. Waits up to `wait_seconds` for a run; `data` is null when none came. */
export const claimRun = z.object({
  worker_id: workerId,
  /** New at every start of the manager: runs its former process held become claimable at once. */
  boot_id: z.string().min(1).max(128),
  lease_seconds: z.number().min(5).max(3600).default(180),
  wait_seconds: z.number().min(0).max(60).default(0),
  /** After a request that had no answer: the runs that it has. What else was handed out to it goes to whoever asks next. */
  holding: z.array(z.uuid()).max(1000).optional(),
  /** How many runs it works on at a time: others leave it the sessions whose workspace it has, as long as it has room. */
  capacity: z.int().min(1).default(1),
  /** Only runs of these modes: the windows of the others are closed. */
  schedule_modes: z.array(scheduleMode).min(1).max(100).default(['immediate', 'scheduled']),
})
export type ClaimRun = z.input<typeof claimRun>

export const claimedRun = z.object({
  run_id: z.uuid(),
  session_id: z.uuid(),
  job_id: z.uuid(),
  task_id: z.string(),
  user_id: z.string(),
  /** Counts the hand-outs of this run, whether after a failure or after it was parked. */
  attempt: z.int().min(1),
  lease_token: z.string(),
  prompt: z.string(),
  /** It was parked and goes on: see `Turn`. */
  continues: z.boolean().default(false),
  answers: z.array(requestAnswer).default([]),
  told: z.array(z.string()).default([]),
  attended: z.boolean().default(false),
  permission_mode: permissionMode,
  config: taskConfig,
  options: turnOptions.default({ runtime: 'claude' }),
  staging: stagingPlan.default({ files: [], folders: [], managed: [], repositories: [] }),
  /** Beside those that its configuration asks for. */
  needed_hosts: z.array(neededHost).max(1000).default([]),
  /** The runtime's own session to resume; null for the first turn. */
  sdk_session_id: z.string().nullable(),
  /** The manifest of the workspace as the session's last run left it, for a host that has it not; null before the first export. */
  snapshot_key: z.string().nullable().default(null),
})
export type ClaimedRun = z.infer<typeof claimedRun>

const holder = { worker_id: workerId, lease_token: z.string() }

/** POST /api/v1/runs/{id}/start: the sandbox is up, the turn begins. */
export const startRun = z.object({ ...holder, model: z.string(), sandbox: z.string() })

/**
 * POST /api/v1/runs/{id}/renew: the lease goes on; `cancel` asks the manager to stop the turn. With `wait_seconds` the answer waits
 * until there is something to say: a cancellation, a command, the lease's loss.
 */
export const renewRun = z.object({
  ...holder,
  lease_seconds: z.number().min(5).max(3600),
  wait_seconds: z.number().min(0).max(60).default(0),
  /** The last command that the manager has. */
  commands_after: z.int().nonnegative().default(0),
})
export const renewAnswer = z.object({
  held: z.boolean(),
  cancel: z.boolean(),
  commands: z.array(turnCommand).default([]),
})

/** POST /api/v1/runs/{id}/events: stored once each, in order; `received` is the highest number stored. */
export const runEvents = z.object({
  ...holder,
  attempt: z.int().min(1),
  events: z.array(numberedAgentEvent).min(1).max(500),
})
export const runEventsAnswer = z.object({ received: z.int().nonnegative() })

/** POST /api/v1/runs/events: the same for many runs at once, each answered for itself, in their order. */
export const manyRunEvents = z.object({
  batches: z
    .array(runEvents.extend({ run_id: z.uuid() }))
    .min(1)
    .max(200),
})
export const manyRunEventsAnswer = z.object({
  answers: z.array(
    z.union([
      runEventsAnswer,
      z.object({ error: z.object({ status: z.int(), code: z.string(), message: z.string() }) }),
    ]),
  ),
})

export const exportedFile = z.object({ path: z.string(), size: z.int(), sha256: z.string(), key: z.string() })
export type ExportedFile = z.infer<typeof exportedFile>

/** POST /api/v1/runs/{id}/memory: what its agent asks of the memory. */
export const runMemory = z.object({ ...holder, call: memoryCall })
export type RunMemory = z.infer<typeof runMemory>

/** What the manager found in object storage after the export. */
export const exportReport = z.discriminatedUnion('status', [
  z.object({ status: z.literal('ready'), prefix: z.string(), manifest_key: z.string(), files: z.array(exportedFile) }),
  z.object({ status: z.literal('failed'), message: z.string() }),
])
export type ExportReport = z.infer<typeof exportReport>

/** POST /api/v1/runs/{id}/finish: the turn ended. A retryable failure is tried again by the engine. */
export const finishRun = z.object({
  ...holder,
  attempt: z.int().min(1),
  /** `released`: the manager stops before the turn has ended; the run is handed out again, and has lost no try. */
  outcome: z.enum(['completed', 'failed', 'canceled', 'parked', 'released']),
  /** Of a parked turn: what it waits for. `until` is milliseconds since the epoch. */
  park: z.object({ reason: z.enum(['input', 'rate_limit']), until: z.number().nullable() }).optional(),
  error: z.object({ code: z.string(), message: z.string(), retryable: z.boolean() }).optional(),
  result: z.string().optional(),
  /** The answer in the shape of the run's `output_schema`. */
  output: json.optional(),
  usage: tokenUsage.extend({ cost_usd: z.number().nonnegative(), duration_ms: z.int().nonnegative() }).optional(),
  export: exportReport.optional(),
})
export type FinishRun = z.infer<typeof finishRun>

/** What the job that asked for an agent gets as the task's result. */
export const agentResult = z.object({
  run_id: z.uuid(),
  session_id: z.uuid(),
  text: z.string(),
  /** The answer in the shape of `output_schema`, which it has been checked by; absent where none was asked for. */
  output: json.optional(),
  model: z.string(),
  files: z.array(exportedFile),
  input_tokens: z.int(),
  output_tokens: z.int(),
  cost_usd: z.number(),
})
export type AgentResult = z.infer<typeof agentResult>

/** Params of a task of skill `agent.run`, as a blueprint's `agent(…)` makes them. */
export const agentRunParams = z.object({
  prompt: z.string().min(1),
  permission_mode: permissionMode.default('bypassPermissions'),
  schedule_mode: scheduleMode.default('immediate'),
  config: taskConfig.default({}),
  /** Whether its agent may ask a person. It is a job of `agent_run` then, which waits for the answer. */
  attended: z.boolean().default(false),
  /** Of `agent_run`: the options of the task that each of its turns is. */
  dispatch: jsonObject.optional(),
  /** Set when the run was made by POST /api/v1/tasks; otherwise the claim makes session and run. */
  session_id: z.uuid().optional(),
  run_id: z.uuid().optional(),
  metadata: jsonObject.optional(),
})
export type AgentRunParams = z.input<typeof agentRunParams>
