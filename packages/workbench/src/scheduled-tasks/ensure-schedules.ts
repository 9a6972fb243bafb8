/** Brings the engine's schedules to what the tasks say. Called after each change of a task, and by the sweeper. */
import { TuttiError } from '@tutti/contracts'
import type { ScheduledTaskDeps } from './deps.ts'
import { type ScheduledTaskRow, scheduleIdOf, specOf } from './rows.ts'

const batch = 100

/**
 * One task. Under the lock of its row, so that of two changes the later one's schedule stays; a crash leaves the row unsettled, and
 * the sweeper does the same again.
 */
const ensureSchedule = (deps: ScheduledTaskDeps, taskId: string): Promise<void> =>
  deps.database.transaction(async (tx) => {
    const [task] = await tx.query<ScheduledTaskRow>(
      'select * from workbench.scheduled_tasks where id = $1 and unsettled for update',
      [taskId],
    )
    if (!task) return
    if (task.is_deleted) await remove(deps, task)
    else await deps.scheduler.put(task.user_id, task.id, specOf(task), { replace: true })
    await tx.query('update workbench.scheduled_tasks set unsettled = false where id = $1', [taskId])
  })

const remove = async ({ scheduler }: ScheduledTaskDeps, task: ScheduledTaskRow): Promise<void> => {
  try {
    await scheduler.remove(scheduleIdOf(task), null)
  } catch (error) {
    if (!(error instanceof TuttiError && error.code === 'SCHEDULE_NOT_FOUND')) throw error
  }
}

/** The change stands: an error now would have the caller make it again. */
export const ensureScheduleSoon = async (deps: ScheduledTaskDeps, taskId: string): Promise<void> => {
  try {
    await ensureSchedule(deps, taskId)
  } catch (error) {
    deps.log.warn({ err: error, scheduled_task_id: taskId }, 'a schedule could not be set yet; the sweeper will')
  }
}

export const ensureSchedules = async (deps: ScheduledTaskDeps): Promise<void> => {
  const open = await deps.database.query<{ id: string }>(
    'select id from workbench.scheduled_tasks where unsettled order by updated_at limit $1',
    [batch],
  )
  for (const { id } of open) await ensureScheduleSoon(deps, id)
}
