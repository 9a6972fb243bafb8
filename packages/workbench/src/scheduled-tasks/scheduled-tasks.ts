/** Scheduled tasks, as the backend sees them. */
import type {
  createScheduledTask,
  DispatchedDue,
  PatchScheduledTask,
  RunView,
  ScheduledTaskTriggered,
  ScheduledTaskView,
} from '@tutti/contracts'
import { createScheduler, type SchedulerDeps } from '@tutti/engine'
import type { z } from 'zod'
import type { WorkbenchDeps } from '../deps.ts'
import type { ScheduledTaskDeps } from './deps.ts'
import { dispatchDue } from './dispatch-due.ts'
import { ensureSchedules } from './ensure-schedules.ts'
import { deleteTask, listTasks, makeTask, patchTask, readTask, runsOfTask } from './keep.ts'
import { scheduleKind } from './names.ts'
import { scheduledTaskBlueprint } from './scheduled-task-blueprint.ts'
import { trigger } from './trigger.ts'

interface Page {
  limit: number
  offset: number
}

/** Methods that name a user answer about that user's own tasks only: @throws TuttiError SCHEDULED_TASK_NOT_FOUND */
export interface ScheduledTasks {
  list(userId: string, page: Page): Promise<ScheduledTaskView[]>
  get(userId: string, id: string): Promise<ScheduledTaskView>
  /** @throws TuttiError PROJECT_NOT_FOUND, CAPABILITY_NOT_FOUND, TOO_MANY_SCHEDULED_TASKS, INVALID_BODY */
  create(userId: string, task: z.output<typeof createScheduledTask>): Promise<ScheduledTaskView>
  patch(userId: string, id: string, patch: PatchScheduledTask): Promise<ScheduledTaskView>
  delete(userId: string, id: string): Promise<void>
  /** A run now. @throws TuttiError as createTask does */
  trigger(userId: string, id: string): Promise<ScheduledTaskTriggered>
  runs(userId: string, id: string, page: Page): Promise<RunView[]>
  /** What came of the instants that are due now; at most so many tasks. */
  dispatchDue(limit: number): Promise<DispatchedDue>
}

/** The store of the engine: schedules are records in it. */
export type ScheduleStore = SchedulerDeps['store']

export const createScheduledTasks = (
  workbench: WorkbenchDeps,
  store: ScheduleStore,
): ScheduledTasks & { start(): void; sweep(): Promise<void> } => {
  const { engine, log } = workbench
  const scheduler = createScheduler({
    ...{ engine, store, kind: scheduleKind, jobDefaults: () => ({}) },
    // Every task names its own.
    timeZone: 'UTC',
    onError: (error) => log.warn({ err: error }, 'a scheduled task could not be fired'),
  })
  const deps: ScheduledTaskDeps = { ...workbench, scheduler, now: () => store.now() }
  engine.blueprints.add('code', scheduledTaskBlueprint(workbench))
  return {
    list: (userId, page) => listTasks(deps, userId, page),
    get: (userId, id) => readTask(deps, userId, id),
    create: (userId, task) => makeTask(deps, userId, task),
    patch: (userId, id, patch) => patchTask(deps, userId, id, patch),
    delete: (userId, id) => deleteTask(deps, userId, id),
    trigger: (userId, id) => trigger(deps, userId, id),
    runs: (userId, id, page) => runsOfTask(deps, userId, id, page),
    dispatchDue: (limit) => dispatchDue(deps, limit),
    start: () => scheduler.start(),
    sweep: () => ensureSchedules(deps),
  }
}
