/**
 * POST /api/v1/tasks: a message for a new session or for the one named becomes a queued run.
 * One transaction writes session, message, run and log; then the run's job is made. A crash between the two is healed by
 * the sweeper, so the answer may be given as soon as the transaction stands.
 */
import {
  type createTask as createTaskSchema,
  type JsonObject,
  type TaskConfig,
  type TaskCreated,
  TuttiError,
} from '@tutti/contracts'
import type { z } from 'zod'
import { exhausted } from '../budgets/measure.ts'
import { strangeFile } from '../claim/plan.ts'
import { type Queryable, violates } from '../database/database.ts'
import type { WorkbenchDeps } from '../deps.ts'
import { changeSession, commitChange, type SessionChange } from '../session/change-session.ts'
import { plainJson } from '../session/plain-json.ts'
import type { RunRow, SessionRow } from '../session/rows.ts'
import { storable } from '../session/storable.ts'
import { ensureJobs } from './ensure-jobs.ts'
import { insertRun } from './insert-run.ts'
import { insertSession } from './insert-session.ts'

type Request = z.output<typeof createTaskSchema>

/** @throws TuttiError SESSION_NOT_FOUND, BUDGET_EXCEEDED, INVALID_BODY for a model that is not offered or a file of somebody else */
export const createTask = async (deps: WorkbenchDeps, userId: string, sent: Request): Promise<TaskCreated> => {
  const request = storable(plainJson(sent)) as unknown as Request
  const strange = request.config && strangeFile(userId, request.config)
  if (strange)
    throw new TuttiError('INVALID_BODY', 'This is not one of your uploads', { path: `body.config.${strange}` })
  const run = (await earlierRun(deps.database, userId, request)) ?? (await writeRun(deps, userId, request))
  try {
    await ensureJobs(deps, run.session_id)
  } catch (error) {
    // The run is stored and will be done; to answer with an error now would have the caller send it again.
    deps.log.warn({ err: error, run_id: run.id }, 'the run’s job could not be made yet; the sweeper will')
  }
  return { session_id: run.session_id, accepted_type: 'run', run_id: run.id, status: run.status }
}

const earlierRun = async (database: Queryable, userId: string, request: Request): Promise<RunRow | undefined> => {
  if (request.client_request_id === undefined) return undefined
  const [run] = await database.query<RunRow>(
    'select * from workbench.runs where user_id = $1 and client_request_id = $2',
    [userId, request.client_request_id],
  )
  return run
}

const writeRun = async (deps: WorkbenchDeps, userId: string, request: Request): Promise<RunRow> => {
  const { session_id: sessionId } = request
  try {
    const run =
      sessionId === undefined
        ? await deps.database.transaction(async (tx) =>
            commitChange(tx, await newSession(deps, tx, userId, request), (change) => addRun(deps, change, request)),
          )
        : await changeSession(deps.database, { sessionId, userId }, (change) => addRun(deps, change, request))
    if (!run) throw new TuttiError('SESSION_NOT_FOUND', 'Session not found', { path: 'body.session_id' })
    return run
  } catch (error) {
    // The same request arrived twice at once: the other one has written the run.
    const earlier = violates(error, 'runs_by_request') ? await earlierRun(deps.database, userId, request) : undefined
    if (!earlier) throw error
    return earlier
  }
}

const newSession = (deps: WorkbenchDeps, tx: Queryable, userId: string, request: Request): Promise<SessionRow> =>
  insertSession(tx, { id: deps.newId(), userId, prompt: request.prompt })

const addRun = async (deps: WorkbenchDeps, change: SessionChange, request: Request): Promise<RunRow> => {
  // What the session was last told stays in force; files belong to the message they came with.
  const { workspace, ...settings }: TaskConfig = request.config ?? {}
  const snapshot: TaskConfig = { ...change.session.config_snapshot, ...settings }
  await refuseInVain(deps, change, snapshot)
  change.patch({ config_snapshot: snapshot as unknown as JsonObject })
  const id = deps.newId()
  return insertRun(change, {
    id,
    jobId: id,
    taskId: null,
    clientRequestId: request.client_request_id ?? null,
    prompt: request.prompt,
    permissionMode: request.permission_mode,
    scheduleMode: request.schedule_mode ?? 'immediate',
    attended: true,
    config: { ...snapshot, ...(workspace === undefined ? {} : { workspace }) },
  })
}

/** What could only fail is refused now, while somebody is there to hear of it. The claim and every model call look again. */
const refuseInVain = async (deps: WorkbenchDeps, { tx, session }: SessionChange, config: TaskConfig): Promise<void> => {
  if (config.model !== undefined && !deps.offersModel(config.model))
    throw new TuttiError('INVALID_BODY', `The model ${JSON.stringify(config.model)} is not offered: see GET /models`, {
      path: 'body.config.model',
    })
  const who = { sessionId: session.id, userId: session.user_id, budget: config.budget }
  const refusal = await exhausted(tx, deps.budgets, who)
  if (refusal !== undefined) throw new TuttiError('BUDGET_EXCEEDED', refusal.message)
}
