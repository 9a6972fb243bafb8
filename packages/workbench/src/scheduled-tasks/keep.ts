/** Making, showing, changing and deleting scheduled tasks. */
import {
  besideItself,
  besideItselfFault,
  type createScheduledTask,
  type PatchScheduledTask,
  type RunView,
  type ScheduledTaskView,
  type TaskConfigPatch,
  TuttiError,
} from '@tutti/contracts'
import type { KeptSchedule } from '@tutti/engine'
import type { z } from 'zod'
import { choose } from '../capabilities/choose.ts'
import type { Queryable } from '../database/database.ts'
import { findProject } from '../projects/projects.ts'
import { viewRuns } from '../read/sessions.ts'
import { checkConfig } from '../session/check-config.ts'
import { plainJson } from '../session/plain-json.ts'
import type { RunRow } from '../session/rows.ts'
import { storable } from '../session/storable.ts'
import { holdUploads } from '../uploads/hold-uploads.ts'
import type { ScheduledTaskDeps } from './deps.ts'
import { ensureScheduleSoon } from './ensure-schedules.ts'
import { findTask, type LastRun, type ScheduledTaskRow, scheduleIdOf, tasksWithLastRun, taskView } from './rows.ts'

/** Each is looked at by the clock for ever. */
const mostTasks = 500

export const readTask = async (deps: ScheduledTaskDeps, userId: string, id: string): Promise<ScheduledTaskView> => {
  const task = await findTask(deps.database, userId, id)
  return taskView(task, await scheduleOf(deps, task))
}

/** Newest first. */
export const listTasks = async (
  deps: ScheduledTaskDeps,
  userId: string,
  { limit, offset }: { limit: number; offset: number },
): Promise<ScheduledTaskView[]> => {
  const [rows, kept] = await Promise.all([
    deps.database.query<ScheduledTaskRow & LastRun>(
      `${tasksWithLastRun} where task.user_id = $1 and not task.is_deleted
       order by task.created_at desc, task.id desc limit $2 offset $3`,
      [userId, limit, offset],
    ),
    deps.scheduler.list(userId),
  ])
  const schedules = new Map(kept.map((each) => [each.id, each]))
  return rows.map((task) => taskView(task, schedules.get(scheduleIdOf(task)) ?? null))
}

/** @throws TuttiError PROJECT_NOT_FOUND, CAPABILITY_NOT_FOUND; INVALID_BODY as for a message; TOO_MANY_SCHEDULED_TASKS */
export const makeTask = async (
  deps: ScheduledTaskDeps,
  userId: string,
  sent: z.output<typeof createScheduledTask>,
): Promise<ScheduledTaskView> => {
  const given = storable(plainJson(sent)) as unknown as typeof sent
  const config = given.config ?? {}
  const id = deps.newId()
  await deps.database.transaction(async (tx) => {
    // Of two that come at once each would count without the other.
    await tx.query("select pg_advisory_xact_lock(hashtextextended('scheduled_tasks/' || $1, 0))", [userId])
    const [count] = await tx.query<{ n: number }>(
      'select count(*) as n from workbench.scheduled_tasks where user_id = $1 and not is_deleted',
      [userId],
    )
    if ((count?.n ?? 0) >= mostTasks)
      throw new TuttiError('TOO_MANY_SCHEDULED_TASKS', `You have ${mostTasks} scheduled tasks already`)
    await checkParts(deps, tx, userId, { config, project_id: given.project_id ?? null })
    await tx.query(
      `insert into workbench.scheduled_tasks (id, user_id, name, cron, timezone, prompt, enabled, reuse_session, project_id,
         permission_mode, schedule_mode, attended, config, catch_up, catch_up_window_seconds, overlap)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`,
      [
        ...[id, userId, given.name, given.cron, given.timezone, given.prompt, given.enabled, given.reuse_session],
        ...[given.project_id ?? null, given.permission_mode, given.schedule_mode, given.attended, config],
        ...[given.catch_up, given.catch_up_window_seconds, given.overlap],
      ],
    )
  })
  await ensureScheduleSoon(deps, id)
  return readTask(deps, userId, id)
}

/** A run under way keeps what it began with. @throws TuttiError SCHEDULED_TASK_NOT_FOUND, and as {@link makeTask} */
export const patchTask = async (
  deps: ScheduledTaskDeps,
  userId: string,
  id: string,
  sent: PatchScheduledTask,
): Promise<ScheduledTaskView> => {
  const { config: sentConfig, ...rest } = storable(plainJson(sent)) as PatchScheduledTask
  const given = rest as Partial<ScheduledTaskRow>
  await deps.database.transaction(async (tx) => {
    const [task] = await tx.query<ScheduledTaskRow>(
      'select * from workbench.scheduled_tasks where id = $1 and user_id = $2 and not is_deleted for update',
      [id, userId],
    )
    if (!task) throw new TuttiError('SCHEDULED_TASK_NOT_FOUND', 'Scheduled task not found')
    const config = sentConfig === null ? {} : { ...task.config, ...sentConfig }
    // What was there before may be gone by now: that must not keep a task from being switched off.
    await checkParts(deps, tx, userId, { config: sentConfig ?? {}, project_id: given.project_id ?? null })
    const next = { ...task, ...given }
    if (besideItself(next))
      throw new TuttiError('INVALID_BODY', `body.overlap: ${besideItselfFault}`, { path: 'body.overlap' })
    const switchedOn = given.enabled === true && !task.enabled
    const fields: Partial<ScheduledTaskRow> = {
      ...given,
      ...(sentConfig === undefined ? {} : { config }),
      ...(switchedOn ? { last_error: null } : {}),
      // The next run begins a new session.
      ...(next.reuse_session && !(await isGone(tx, task.session_id)) ? {} : { session_id: null }),
    }
    const changed = Object.entries(fields)
    // Column names come from the schema only, which lets no other through.
    const sets = changed.map(([column], at) => `${column} = $${at + 2}`)
    await tx.query(
      `update workbench.scheduled_tasks set ${[...sets, 'unsettled = true', 'updated_at = now()'].join(', ')} where id = $1`,
      [id, ...changed.map(([, value]) => value)],
    )
  })
  await ensureScheduleSoon(deps, id)
  return readTask(deps, userId, id)
}

/** Its runs and sessions stay. @throws TuttiError SCHEDULED_TASK_NOT_FOUND */
export const deleteTask = async (deps: ScheduledTaskDeps, userId: string, id: string): Promise<void> => {
  const [gone] = await deps.database.query(
    `update workbench.scheduled_tasks set is_deleted = true, enabled = false, unsettled = true, updated_at = now()
     where id = $1 and user_id = $2 and not is_deleted returning id`,
    [id, userId],
  )
  if (!gone) throw new TuttiError('SCHEDULED_TASK_NOT_FOUND', 'Scheduled task not found')
  await ensureScheduleSoon(deps, id)
}

/** Newest first; those of deleted sessions are gone with them. @throws TuttiError SCHEDULED_TASK_NOT_FOUND */
export const runsOfTask = async (
  deps: ScheduledTaskDeps,
  userId: string,
  id: string,
  { limit, offset }: { limit: number; offset: number },
): Promise<RunView[]> => {
  await findTask(deps.database, userId, id)
  const rows = await deps.database.query<RunRow>(
    `select run.* from workbench.runs run join workbench.sessions session on session.id = run.session_id
     where run.scheduled_task_id = $1 and run.user_id = $2 and not session.is_deleted
     order by run.user_message_id desc limit $3 offset $4`,
    [id, userId, limit, offset],
  )
  return viewRuns(deps.database, rows)
}

const scheduleOf = async ({ scheduler }: ScheduledTaskDeps, task: ScheduledTaskRow): Promise<KeptSchedule | null> => {
  try {
    return await scheduler.get(scheduleIdOf(task), task.user_id)
  } catch (error) {
    if (error instanceof TuttiError && error.code === 'SCHEDULE_NOT_FOUND') return null
    throw error
  }
}

/** What could only fail is refused now, while somebody is there to hear of it. Each run looks again. */
const checkParts = async (
  deps: ScheduledTaskDeps,
  tx: Queryable,
  userId: string,
  { config, project_id }: { config: TaskConfigPatch; project_id: string | null },
): Promise<void> => {
  checkConfig(deps, config)
  await choose(tx, userId, { base: {}, sent: config, installed: false, path: 'body.config' })
  await holdUploads(tx, userId, config.input_files, 'body.config.input_files')
  if (project_id !== null) await findProject(tx, userId, project_id, 'body.project_id')
}

/** Its user has deleted it. One that is not there yet is still to be made. */
const isGone = async (tx: Queryable, sessionId: string | null): Promise<boolean> =>
  sessionId !== null &&
  (await tx.query('select from workbench.sessions where id = $1 and is_deleted', [sessionId])).length > 0
