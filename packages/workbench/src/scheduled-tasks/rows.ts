/** A scheduled task as it is stored, as it is shown, and as the engine's schedule has it. */
import {
  type PermissionMode,
  type ScheduledTaskView,
  type ScheduleSpec,
  scheduleSpec,
  type TaskConfigPatch,
  TuttiError,
} from '@tutti/contracts'
import { type KeptSchedule, scheduleId } from '@tutti/engine'
import type { Queryable } from '../database/database.ts'
import { SCHEDULED_TASK } from './names.ts'

export interface ScheduledTaskRow {
  id: string
  user_id: string
  name: string
  cron: string
  timezone: string
  prompt: string
  enabled: boolean
  reuse_session: boolean
  session_id: string | null
  project_id: string | null
  permission_mode: PermissionMode
  schedule_mode: string
  attended: boolean
  config: TaskConfigPatch
  catch_up: ScheduleSpec['catch_up']
  catch_up_window_seconds: number
  overlap: 'skip' | 'queue' | 'allow'
  last_due_at: Date | null
  last_run_id: string | null
  last_error: string | null
  unsettled: boolean
  is_deleted: boolean
  created_at: Date
  updated_at: Date
}

/** What became of the task's last run: a run, or a message that still waits. */
export interface LastRun {
  run_status: ScheduledTaskView['last_run_status']
  run_error: string | null
  /** Whether the session of all its runs is there already. */
  has_session: boolean
}

/** Rows of {@link ScheduledTaskRow} with {@link LastRun}. */
export const tasksWithLastRun = `select task.*, coalesce(run.status, item.status) as run_status,
    run.last_error as run_error, session.id is not null as has_session
  from workbench.scheduled_tasks task
  left join workbench.runs run on run.id = task.last_run_id
  left join workbench.queue_items item on item.id = task.last_run_id
  left join workbench.sessions session on session.id = task.session_id and not session.is_deleted`

/** @throws TuttiError SCHEDULED_TASK_NOT_FOUND, also for a stranger's */
export const findTask = async (
  database: Queryable,
  userId: string,
  id: string,
): Promise<ScheduledTaskRow & LastRun> => {
  const [task] = await database.query<ScheduledTaskRow & LastRun>(
    `${tasksWithLastRun} where task.id = $1 and task.user_id = $2 and not task.is_deleted`,
    [id, userId],
  )
  if (!task) throw new TuttiError('SCHEDULED_TASK_NOT_FOUND', 'Scheduled task not found')
  return task
}

/** Of the engine's schedule: it follows from the task, so that making it again finds it made. */
export const scheduleIdOf = ({ user_id, id }: ScheduledTaskRow): string => scheduleId(user_id, id)

/** The message itself is not in it: a changed prompt changes no instant. */
export const specOf = (task: ScheduledTaskRow): ScheduleSpec =>
  scheduleSpec.parse({
    blueprint: SCHEDULED_TASK,
    input_data: { task_id: task.id },
    cron: task.cron,
    timezone: task.timezone,
    enabled: task.enabled,
    catch_up: task.catch_up,
    catch_up_window_seconds: task.catch_up_window_seconds,
    overlap: task.overlap,
  })

/** @param kept null: the engine has no schedule of it yet */
export const taskView = (task: ScheduledTaskRow & LastRun, kept: KeptSchedule | null): ScheduledTaskView => {
  const last = kept?.schedule.last ?? null
  const nextAt = task.enabled ? (kept?.schedule.nextAt ?? null) : null
  // Instants that the engine passed over never came to the task itself.
  const passedOver =
    last?.jobId === null && last.outcome !== 'queued' && last.dueAt > (task.last_due_at?.getTime() ?? 0)
  return {
    scheduled_task_id: task.id,
    user_id: task.user_id,
    name: task.name,
    cron: task.cron,
    timezone: task.timezone,
    prompt: task.prompt,
    enabled: task.enabled,
    reuse_session: task.reuse_session,
    session_id: task.reuse_session && task.has_session ? task.session_id : null,
    project_id: task.project_id,
    config: withoutWorkspace(task.config),
    permission_mode: task.permission_mode,
    schedule_mode: task.schedule_mode,
    attended: task.attended,
    catch_up: task.catch_up,
    catch_up_window_seconds: task.catch_up_window_seconds,
    overlap: task.overlap,
    next_run_at: nextAt === null ? null : new Date(nextAt).toISOString(),
    last_run_id: task.last_run_id,
    last_run_status: task.run_status,
    last_error: passedOver ? last.reason : (task.last_error ?? task.run_error),
    last_firing: last && {
      due_at: new Date(last.dueAt).toISOString(),
      outcome: last.outcome,
      reason: last.reason,
    },
    created_at: task.created_at.toISOString(),
    updated_at: task.updated_at.toISOString(),
  }
}

/** Files to be staged may be megabytes, in each task of a list. */
const withoutWorkspace = ({ workspace: _, ...config }: TaskConfigPatch): TaskConfigPatch => config
