/**
 * POST /api/v1/tasks: a message for a new session or for the one named becomes a run, or waits in the session's queue while
 * another run is under way. One transaction writes session, message, run and log; then the run's job is made. A crash
 * between the two is healed by the sweeper, so the answer may be given as soon as the transaction stands.
 */
import {
  type createTask as createTaskSchema,
  type JsonObject,
  type TaskConfig,
  type TaskConfigPatch,
  type TaskCreated,
  TuttiError,
} from '@tutti/contracts'
import type { z } from 'zod'
import { exhausted } from '../budgets/measure.ts'
import { choose } from '../capabilities/choose.ts'
import { type Queryable, violates } from '../database/database.ts'
import type { WorkbenchDeps } from '../deps.ts'
import { findProject, type ProjectRow } from '../projects/projects.ts'
import { enqueue } from '../queue/enqueue.ts'
import { openItems, type QueueItemRow } from '../queue/rows.ts'
import { changeSession, commitChange, type SessionChange } from '../session/change-session.ts'
import { checkConfig, checkModel } from '../session/check-config.ts'
import { plainJson } from '../session/plain-json.ts'
import type { RunRow } from '../session/rows.ts'
import { blockingRuns } from '../session/runs.ts'
import { storable } from '../session/storable.ts'
import { holdUploads } from '../uploads/hold-uploads.ts'
import { titleByFirst } from './create-session.ts'
import { ensureJobsSoon } from './ensure-jobs.ts'
import { insertRun, type SentBy } from './insert-run.ts'
import { insertSession } from './insert-session.ts'
import { lasting, withProject } from './merge-config.ts'
import { type Schedule, scheduleOf } from './schedule.ts'
import { queued, started } from './task-answer.ts'

type Request = z.output<typeof createTaskSchema>

/** How a scheduled task sends its message. */
export interface ByTask extends SentBy {
  /** Of a new session. */
  session: { id: string; name: string }
  /** What becomes of the message when something of the session is under way, or waits: SESSION_BUSY, or the end of the queue. */
  whenBusy: 'refuse' | 'queue'
}

/**
 * @throws TuttiError SESSION_NOT_FOUND, PROJECT_NOT_FOUND, SESSION_CANCELING, QUEUE_FULL, BUDGET_EXCEEDED, INVALID_BODY, also for a model
 *   that is not offered and a file of somebody else
 */
export const createTask = async (
  deps: WorkbenchDeps,
  userId: string,
  sent: Request,
  by?: ByTask,
): Promise<TaskCreated> => {
  const request = storable(plainJson(sent)) as unknown as Request
  checkConfig(deps, request.config ?? {})
  const schedule = scheduleOf(request)
  const answer = await write(deps, userId, request, schedule, by)
  await ensureJobsSoon(deps, answer.session_id)
  return answer
}

const write = async (
  deps: WorkbenchDeps,
  userId: string,
  request: Request,
  schedule: Schedule,
  by: ByTask | undefined,
): Promise<TaskCreated> => {
  try {
    const answer = await (request.session_id
      ? changeSession(deps.database, { sessionId: request.session_id, userId }, (change) =>
          take(deps, change, request, schedule, by),
        )
      : toNewSession(deps, userId, request, schedule, by))
    if (!answer) throw new TuttiError('SESSION_NOT_FOUND', 'Session not found', { path: 'body.session_id' })
    return answer
  } catch (error) {
    // The same request arrived twice at once: the other one has written the run.
    const earlier = violates(error, 'runs_by_request') ? await earlierAnswer(deps.database, userId, request) : undefined
    if (!earlier) throw error
    return earlier
  }
}

const toNewSession = (
  deps: WorkbenchDeps,
  userId: string,
  request: Request,
  schedule: Schedule,
  by: ByTask | undefined,
): Promise<TaskCreated> =>
  deps.database.transaction(async (tx) => {
    const earlier = await earlierAnswer(tx, userId, request)
    if (earlier) return earlier
    const project = request.project_id
      ? await findProject(tx, userId, request.project_id, 'body.project_id')
      : undefined
    const { prompt } = request
    const of = by === undefined ? { id: deps.newId(), prompt } : by.session
    const session = await insertSession(tx, {
      ...{ ...of, userId, projectId: project?.id ?? null, origin: request.origin ?? null },
    })
    return commitChange(tx, session, async (change) =>
      started(
        change,
        await addRun(deps, change, request, schedule, await configOf(change, undefined, request, project), by),
      ),
    )
  })

/** Under the session's lock: of two that come at once one begins, the other waits its turn. */
const take = async (
  deps: WorkbenchDeps,
  change: SessionChange,
  request: Request,
  schedule: Schedule,
  by: ByTask | undefined,
): Promise<TaskCreated> => {
  const { tx, session } = change
  const earlier = await earlierAnswer(tx, session.user_id, request)
  if (earlier) return earlier
  if (session.status === 'canceling')
    throw new TuttiError('SESSION_CANCELING', 'The session’s turn is being stopped', { path: 'body.session_id' })
  if (request.project_id && request.project_id !== session.project_id)
    throw new TuttiError('INVALID_BODY', 'body.project_id: the session belongs to another project, or to none', {
      path: 'body.project_id',
    })
  const project = session.project_id ? await findProject(tx, session.user_id, session.project_id) : undefined
  const isBusy = (await blockingRuns(tx, session.id)).length > 0 || (by && (await openItems(tx, session.id)).length > 0)
  if (isBusy && by?.whenBusy === 'refuse') throw new TuttiError('SESSION_BUSY', 'The session is busy')
  // What is to come at an instant of its own waits for that, and for nothing else.
  const isBlocked = isBusy && (schedule.at === null || by !== undefined)
  if (!isBlocked) {
    const config = await configOf(change, (session.config_snapshot ?? {}) as TaskConfig, request, project)
    return started(change, await addRun(deps, change, request, schedule, config, by))
  }
  // What the message before it sets is in force when its turn comes.
  const before = (await openItems(tx, session.id)).at(-1)
  const base = before === undefined ? ((session.config_snapshot ?? {}) as TaskConfig) : lasting(before.config)
  const config = await configOf(change, base, request, project)
  await refuseInVain(deps, change, config)
  await holdUploads(tx, session.user_id, config.input_files, 'body.config.input_files')
  return queued(
    change,
    await enqueue(change, {
      id: deps.newId(),
      prompt: request.prompt,
      permissionMode: request.permission_mode,
      config,
      clientRequestId: request.client_request_id ?? null,
      scheduleMode: schedule.mode,
      ...(by === undefined ? {} : { sentBy: by }),
    }),
  )
}

/** @param base what is in force in the session; undefined in a new one */
const configOf = async (
  { tx, session }: SessionChange,
  base: TaskConfig | undefined,
  request: Request,
  project: ProjectRow | undefined,
): Promise<TaskConfig> => {
  const sent: TaskConfigPatch = request.config ?? {}
  const presetId = base === undefined ? (project?.default_preset_id ?? null) : null
  const choice = { base: base ?? {}, sent, presetId, installed: true, path: 'body.config' }
  return withProject(await choose(tx, session.user_id, choice), sent, project)
}

const addRun = async (
  deps: WorkbenchDeps,
  change: SessionChange,
  request: Request,
  schedule: Schedule,
  config: TaskConfig,
  by: ByTask | undefined,
): Promise<RunRow> => {
  await refuseInVain(deps, change, config)
  await holdUploads(change.tx, change.session.user_id, config.input_files, 'body.config.input_files')
  await titleByFirst(change, request.prompt)
  change.patch({ config_snapshot: lasting(config) as JsonObject })
  const id = deps.newId()
  return insertRun(change, {
    id,
    jobId: id,
    taskId: null,
    clientRequestId: request.client_request_id ?? null,
    prompt: request.prompt,
    permissionMode: request.permission_mode,
    attended: by?.attended ?? true,
    scheduledTaskId: by?.scheduledTaskId ?? null,
    config,
    schedule,
  })
}

/** What could only fail is refused now, while somebody is there to hear of it. The claim and every model call look again. */
const refuseInVain = async (deps: WorkbenchDeps, { tx, session }: SessionChange, config: TaskConfig): Promise<void> => {
  // Also one that session, preset or project say.
  checkModel(deps, config.model)
  const who = { sessionId: session.id, userId: session.user_id, budget: config.budget }
  const refusal = await exhausted(tx, deps.budgets, who)
  if (refusal !== undefined) throw new TuttiError('BUDGET_EXCEEDED', refusal.message)
}

/** What the same request was answered before. */
const earlierAnswer = async (
  tx: Queryable,
  userId: string,
  { client_request_id: id, session_id: sessionId }: Request,
): Promise<TaskCreated | undefined> => {
  if (!id) return undefined
  const [run] = await tx.query<RunRow>('select * from workbench.runs where user_id = $1 and client_request_id = $2', [
    userId,
    id,
  ])
  if (run) return started({ tx }, run)
  const [item] = await tx.query<QueueItemRow>(
    'select * from workbench.queue_items where session_id = $1 and client_request_id = $2',
    [sessionId ?? null, id],
  )
  return item && queued({ tx }, item)
}
