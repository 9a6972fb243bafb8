/** Makes the engine jobs of a session's runs that have none yet. Called after each new run, and by the sweeper. */
import { AGENT_RUN, type JsonObject } from '@tutti/contracts'
import type { WorkbenchDeps } from '../deps.ts'
import type { RunRow } from '../session/rows.ts'
import { webhookOf } from '../webhooks/of-run.ts'

/** How soon a run with a job is compared with the engine for the first time; a claim or a cancel comes sooner. */
export const firstCheckMs = 30_000

/**
 * One job after the other, oldest run first, also runs that another process has just written: the engine hands out a
 * session's tasks in the order in which they were made, and that must be the order of the messages.
 */
export const ensureJobs = async (deps: WorkbenchDeps, sessionId: string): Promise<void> => {
  const runs = await deps.database.query<RunRow>(
    `select * from workbench.runs where session_id = $1 and status = 'queued' and job_created_at is null
     order by user_message_id`,
    [sessionId],
  )
  for (const run of runs) {
    await deps.engine.create([
      {
        id: run.id,
        blueprint: AGENT_RUN.blueprint,
        client: run.user_id,
        input: jobInput(run),
        metadata: { session_id: sessionId },
        ...webhookOf(deps.webhooks, run.config),
        ...(run.schedule_mode === 'immediate' ? {} : { startAt: run.scheduled_at.getTime() }),
      },
    ])
    // Only a queued run's: a manager that was waiting may have claimed it already, and set a later check.
    await deps.database.query(
      `update workbench.runs
       set job_created_at = now(),
           check_at = case when status = 'queued' then now() + $2 * interval '1 millisecond' else check_at end
       where id = $1 and job_created_at is null`,
      [run.id, firstCheckMs],
    )
  }
}

/** The runs stand, and will be done: an error now would have the caller send its message again. */
export const ensureJobsSoon = async (deps: WorkbenchDeps, sessionId: string): Promise<void> => {
  try {
    await ensureJobs(deps, sessionId)
  } catch (error) {
    deps.log.warn({ err: error, session_id: sessionId }, 'a run’s job could not be made yet; the sweeper will')
  }
}

/** Without the files to stage: the claim reads them from the run, and megabytes don't belong into a job's state. */
const jobInput = (run: RunRow): JsonObject => {
  const { workspace: _, webhook_url: _url, webhook_events: _events, ...config } = run.config
  return {
    session_id: run.session_id,
    run_id: run.id,
    prompt: run.prompt,
    permission_mode: run.permission_mode,
    schedule_mode: run.schedule_mode,
    config: config as JsonObject,
  }
}
