/**
 * The message of one instant. The job that stands for the instant sends it, under an id that follows from the job: whoever sends it
 * again, after a crash at whichever line, finds it sent.
 */
import { type TaskCreated, TuttiError } from '@tutti/contracts'
import { type ByTask, createTask } from '../create/create-task.ts'
import { type Queryable, violates } from '../database/database.ts'
import type { WorkbenchDeps } from '../deps.ts'
import { requestIdOf } from './names.ts'
import { findTask, type ScheduledTaskRow } from './rows.ts'

export interface Instant {
  userId: string
  taskId: string
  jobId: string
  dueAt: Date
  /** Somebody asked for it: it is sent although the task is off, and waits where the session is busy. */
  manual: boolean
}

export type Sent =
  | { kind: 'sent'; sessionId: string; runId: string; queued: boolean }
  /** There is nothing to be done. */
  | { kind: 'skipped'; reason: string }
  /** It can't be sent, and sending it again would not help. */
  | { kind: 'refused'; error: TuttiError }

/** @throws Error when sending it again may help */
export const sendMessage = async (deps: WorkbenchDeps, instant: Instant): Promise<Sent> => {
  const task = await findTask(deps.database, instant.userId, instant.taskId).catch(missing)
  if (!task) return { kind: 'skipped', reason: 'the task was deleted' }
  if (!task.enabled && !instant.manual) return { kind: 'skipped', reason: 'the task is switched off' }
  try {
    const answer = await send(deps, task, instant)
    const runId = answer.run_id ?? answer.queue_item_id
    if (runId === null) throw new Error('a message was sent without an id')
    await record(deps.database, task, instant, { runId, error: null })
    return { kind: 'sent', sessionId: answer.session_id, runId, queued: answer.run_id === null }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    if (!(error instanceof TuttiError)) {
      // Best effort: what went wrong may be the very database. The engine sends again, after a growing pause.
      await record(deps.database, task, instant, { runId: null, error: reason }).catch(() => {})
      throw error
    }
    await record(deps.database, task, instant, { runId: null, error: reason })
    if (error.code === 'SESSION_BUSY') return { kind: 'skipped', reason }
    // Passes in seconds.
    if (error.code === 'SESSION_CANCELING') throw error
    if (error.code === 'SESSION_NOT_FOUND') await switchOff(deps.database, task)
    return { kind: 'refused', error }
  }
}

const missing = (error: unknown): undefined => {
  if (error instanceof TuttiError && error.code === 'SCHEDULED_TASK_NOT_FOUND') return undefined
  throw error
}

const send = async (deps: WorkbenchDeps, task: ScheduledTaskRow, instant: Instant): Promise<TaskCreated> => {
  const { prompt, permission_mode, schedule_mode, config, project_id } = task
  const request = {
    ...{ prompt, permission_mode, schedule_mode, config },
    client_request_id: requestIdOf(instant.jobId),
    ...(schedule_mode === 'scheduled' ? { scheduled_at: instant.dueAt.toISOString() } : {}),
  }
  const whenBusy = task.overlap === 'skip' && !instant.manual ? 'refuse' : 'queue'
  const by = (id: string): ByTask => ({
    ...{ scheduledTaskId: task.id, attended: task.attended, whenBusy },
    session: { id, name: task.name },
  })
  const begin = (id: string) => createTask(deps, task.user_id, { ...request, project_id }, by(id))
  if (!task.reuse_session) return begin(deps.newId())

  const id = await sessionOf(deps, task)
  // A session keeps the project it began with, or was moved to since.
  const goOn = () => createTask(deps, task.user_id, { ...request, session_id: id }, by(id))
  if (await isThere(deps.database, id)) return goOn()
  try {
    return await begin(id)
  } catch (error) {
    // Somebody triggered the task at this very moment.
    if (violates(error, 'sessions_pkey')) return goOn()
    throw error
  }
}

/** The id of the session of all runs: whoever comes first chooses it. */
const sessionOf = async ({ database, newId }: WorkbenchDeps, task: ScheduledTaskRow): Promise<string> => {
  const [row] = await database.query<{ session_id: string }>(
    'update workbench.scheduled_tasks set session_id = coalesce(session_id, $2) where id = $1 returning session_id',
    [task.id, newId()],
  )
  if (!row) throw new Error(`scheduled task ${task.id} is gone`)
  return row.session_id
}

/** Also one that its user has deleted: that one is not made anew. */
const isThere = async (database: Queryable, sessionId: string): Promise<boolean> =>
  (await database.query('select from workbench.sessions where id = $1', [sessionId])).length > 0

/** Unless that of a newer instant is recorded. An instant that brought no run leaves the last run that there was. */
const record = async (
  database: Queryable,
  task: ScheduledTaskRow,
  { dueAt }: Instant,
  { runId, error }: { runId: string | null; error: string | null },
): Promise<void> => {
  await database.query(
    `update workbench.scheduled_tasks set last_due_at = $2, last_run_id = coalesce($3, last_run_id), last_error = $4
     where id = $1 and (last_due_at is null or last_due_at <= $2)`,
    [task.id, dueAt, runId, error],
  )
}

/** Nobody will bring the session back: each further instant would fail as this one has. */
const switchOff = async (database: Queryable, { id }: ScheduledTaskRow): Promise<void> => {
  await database.query(
    `update workbench.scheduled_tasks
     set enabled = false, unsettled = true, updated_at = now(),
         last_error = 'switched off: its session was deleted; switch it on again to begin a new one'
     where id = $1`,
    [id],
  )
}
