/**
 * The executor manager's own API, with the header X-Internal-Token on everything but health. Answers stand in the envelope
 * `{code, message, data}`, as the workbench's do.
 */
import { z } from 'zod'
import { scheduleMode } from './schedule-mode.ts'

const jobView = z.object({
  job_id: z.string(),
  /** In words: every so often, or which cron in which time zone. */
  trigger: z.string(),
  /** Null: it is on all the time, or never again. */
  next_run_time: z.iso.datetime({ offset: true }).nullable(),
})

/** One rule by which a manager takes runs, with when it opens next. */
export const pullRuleView = z.object({
  id: z.string(),
  kind: z.enum(['interval', 'window']),
  enabled: z.boolean(),
  schedule_modes: z.array(scheduleMode),
  /** Whether runs of its modes are taken at this moment. */
  open: z.boolean(),
  seconds: z.number().optional(),
  start_immediately: z.boolean().optional(),
  cron: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
  timezone: z.string().optional(),
  window_minutes: z.number().optional(),
  poll_interval_seconds: z.number().optional(),
  /** Of a window that is open. */
  closes_at: z.iso.datetime({ offset: true }).nullable().optional(),
  jobs: z.array(jobView),
})
export type PullRuleView = z.infer<typeof pullRuleView>

/** GET /api/v1/schedules */
export const pullSchedules = z.object({ enabled: z.boolean(), rules: z.array(pullRuleView) })
export type PullSchedules = z.infer<typeof pullSchedules>

/** POST /api/v1/internal/pull/trigger: take what waits now. Without modes: those that are open anyway. */
export const triggerPull = z.object({
  schedule_modes: z.array(scheduleMode).max(100).default([]),
  reason: z.string().max(500).nullable().default(null),
})
export const pullTriggered = z.object({
  /** False where this manager takes no runs: TASK_PULL_ENABLED is off, or it is stopping. */
  accepted: z.boolean(),
  schedule_modes: z.array(scheduleMode),
  reason: z.string().nullable(),
})
export type PullTriggered = z.infer<typeof pullTriggered>

/** POST /api/v1/executor/cancel: ends what this manager runs for a session. */
export const cancelExecutor = z.object({
  session_id: z.uuid(),
  reason: z.string().max(500).nullable().default(null),
})
export const executorCancelled = z.object({
  session_id: z.uuid(),
  /** `stopping`: it did not end while the request waited; its end is reported when it has. */
  stop_status: z.enum(['stopped', 'stopping', 'not_found']),
  matched_container_count: z.int().nonnegative(),
  stopped_container_count: z.int().nonnegative(),
  message: z.string(),
})
export type ExecutorCancelled = z.infer<typeof executorCancelled>

/** Sandboxes that wait, stopped, for the next turn of their session. */
export const keptSandboxes = z.object({
  kept: z.int().nonnegative(),
  memory_bytes: z.int().nonnegative(),
  /** Turns since the manager's start that found their session's sandbox, and those that had to start one. */
  hits: z.int().nonnegative(),
  misses: z.int().nonnegative(),
  /** How many were closed before a turn came, by reason. */
  evicted: z.record(z.string(), z.int().nonnegative()),
})

/** Sandboxes that were started ahead and wait, stopped, for whichever session comes next. */
export const pooledSandboxes = z.object({
  ready: z.int().nonnegative(),
  memory_bytes: z.int().nonnegative(),
  /** Turns since the manager's start that had to have a sandbox and found one here, and those for which one was started. */
  hits: z.int().nonnegative(),
  misses: z.int().nonnegative(),
})

/** GET /api/v1/executor/load */
export const executorLoad = z.object({
  worker_id: z.string(),
  sandbox: z.string(),
  /** From the claim until the sandbox is gone and the files are stored. */
  running: z.int().nonnegative(),
  capacity: z.int().min(1),
  sessions: z.array(z.uuid()),
  kept_sandboxes: keptSandboxes,
  pooled_sandboxes: pooledSandboxes,
})
export type ExecutorLoad = z.infer<typeof executorLoad>
