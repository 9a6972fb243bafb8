/** Scheduled tasks: messages that send themselves by the clock. Each is a schedule of the engine; its run is a run like any other. */
import { z } from 'zod'
import { instant } from './json.ts'
import { scheduleMode } from './schedule-mode.ts'
import { scheduleSpec } from './schedules.ts'
import { runStatus } from './session-runs.ts'
import { taskConfigPatch } from './task-config.ts'
import { queueItemStatus } from './tasks.ts'
import { permissionMode } from './turn.ts'

const { cron, timezone, catch_up, catch_up_window_seconds } = scheduleSpec.shape

/** A run is an agent's work and costs money: every second would be a mistake. */
const everyMinuteAtMost = cron
  .unwrap()
  .refine((text) => text.trim().split(/\s+/).length !== 6, 'has seconds: five fields, so once a minute at most')

const fields = {
  name: z.string().trim().min(1).max(255),
  /** Five fields, or `@daily` and its like. */
  cron: everyMinuteAtMost,
  /** IANA name. A time of day that the clock skips is due right after the gap, one that comes twice is due once. */
  timezone: timezone.unwrap(),
  prompt: z.string().trim().min(1).max(1_000_000),
  enabled: z.boolean(),
  /** One session for all runs: its workspace is kept, and the agent remembers. Else each run has a session of its own. */
  reuse_session: z.boolean(),
  project_id: z.uuid().nullish(),
  config: taskConfigPatch.nullish(),
  permission_mode: permissionMode,
  /** `scheduled`: when it is due; `nightly` or a mode of the operator's own: in the first window for it from then on. */
  schedule_mode: scheduleMode.refine(
    (mode) => mode !== 'immediate',
    'is scheduled, nightly or a mode of the operator’s own',
  ),
  /** Whether its agent may ask a person, and waits for the answer. Else it is told to decide by itself. */
  attended: z.boolean(),
  /** As of every schedule: what becomes of instants at which no server ran. */
  catch_up: catch_up.unwrap(),
  catch_up_window_seconds: catch_up_window_seconds.unwrap(),
  /**
   * When the run before has not ended, or the session is busy with somebody’s message: leave this one out, send it when its turn comes,
   * or start beside it, which needs a session of its own.
   */
  overlap: z.enum(['skip', 'queue', 'allow']),
}

/** Whether its runs would begin beside each other in one session. */
export const besideItself = (task: { reuse_session: boolean; overlap: string }): boolean =>
  task.reuse_session && task.overlap === 'allow'
export const besideItselfFault = 'must be skip or queue: in one session a run can’t begin beside another'

/** POST /api/v1/scheduled-tasks */
export const createScheduledTask = z
  .strictObject({
    ...fields,
    timezone: fields.timezone.default('UTC'),
    enabled: fields.enabled.default(true),
    reuse_session: fields.reuse_session.default(false),
    permission_mode: fields.permission_mode.default('default'),
    schedule_mode: fields.schedule_mode.default('scheduled'),
    attended: fields.attended.default(false),
    catch_up: fields.catch_up.default('one'),
    catch_up_window_seconds: fields.catch_up_window_seconds.default(86_400),
    overlap: fields.overlap.default('skip'),
  })
  .refine((task) => !besideItself(task), { path: ['overlap'], error: besideItselfFault })
export type CreateScheduledTask = z.input<typeof createScheduledTask>

/** PATCH /api/v1/scheduled-tasks/{id}: what is absent stays. In `config` null takes a key out; null in its place takes out all. */
export const patchScheduledTask = z.strictObject(fields).partial()
export type PatchScheduledTask = z.output<typeof patchScheduledTask>

export const scheduledTaskView = z.object({
  scheduled_task_id: z.uuid(),
  user_id: z.string(),
  name: z.string(),
  cron: z.string(),
  timezone: z.string(),
  prompt: z.string(),
  enabled: z.boolean(),
  reuse_session: z.boolean(),
  /** The session of all its runs, once there is one; null where each has its own. */
  session_id: z.uuid().nullable(),
  project_id: z.uuid().nullable(),
  config: taskConfigPatch,
  permission_mode: permissionMode,
  schedule_mode: z.string(),
  attended: z.boolean(),
  catch_up: z.enum(['skip', 'one', 'all']),
  catch_up_window_seconds: z.number(),
  overlap: z.enum(['skip', 'queue', 'allow']),
  /** Null: it is switched off, or never due again. */
  next_run_at: instant.nullable(),
  last_run_id: z.uuid().nullable(),
  /** Of that run now; `queued` and `paused` also of a message that waits in its session. */
  last_run_status: z.union([runStatus, queueItemStatus]).nullable(),
  /** Why the newest instant brought no run, or its run failed, or the task was switched off; null: all is well. */
  last_error: z.string().nullable(),
  /** What came of the newest instant that was due. */
  last_firing: z
    .object({
      due_at: instant,
      outcome: z.enum(['fired', 'queued', 'skipped', 'refused']),
      reason: z.string().nullable(),
    })
    .nullable(),
  created_at: instant,
  updated_at: instant,
})
export type ScheduledTaskView = z.infer<typeof scheduledTaskView>

/** POST /api/v1/scheduled-tasks/{id}/trigger */
export const scheduledTaskTriggered = z.object({
  session_id: z.uuid(),
  run_id: z.uuid(),
  /** The session is busy: the run begins when its turn comes, under this very id. */
  queued: z.boolean(),
})
export type ScheduledTaskTriggered = z.infer<typeof scheduledTaskTriggered>

/** POST /api/v1/internal/scheduled-tasks/dispatch-due */
export const dispatchDue = z.strictObject({ limit: z.int().min(1).max(200).default(50) })

/** What came of the instants that were due when it was asked. */
export const dispatchedDue = z.object({
  dispatched: z.int().nonnegative(),
  run_ids: z.array(z.uuid()),
  skipped: z.int().nonnegative(),
  errors: z.int().nonnegative(),
})
export type DispatchedDue = z.infer<typeof dispatchedDue>
