/** Telling the engine that a parked run's job goes on. Any telling may be repeated: the engine counts each once. */
import { type JsonObject, TuttiError } from '@tutti/contracts'
import { WOKEN } from '../agent-run-blueprint.ts'
import type { WorkbenchDeps } from '../deps.ts'
import type { RunRow } from '../session/rows.ts'

type Parked = Pick<RunRow, 'id' | 'job_id' | 'parks'>

export const wake = async ({ engine }: WorkbenchDeps, run: Parked, data: JsonObject = {}): Promise<void> => {
  try {
    await engine.signal(run.job_id, null, { id: `${run.id}:${run.parks}`, name: WOKEN, data })
  } catch (error) {
    if (!(error instanceof TuttiError && (error.code === 'JOB_TERMINAL' || error.code === 'JOB_NOT_FOUND'))) throw error
  }
}

/**
 * Wakes the oldest run of the session that let a parked one go first, if there is none before it any more. One that is woken too early
 * or twice is put back by its claim.
 */
export const wakeNext = async (deps: WorkbenchDeps, sessionId: string): Promise<void> => {
  const [first] = await deps.database.query<RunRow>(
    `select * from workbench.runs
     where session_id = $1 and status in ('queued', 'claimed', 'running', 'waiting', 'canceling')
     order by user_message_id limit 1`,
    [sessionId],
  )
  if (first?.status !== 'queued' || first.park?.reason !== 'turn') return
  try {
    await wake(deps, first)
  } catch (error) {
    deps.log.warn({ err: error, run_id: first.id }, 'a run whose turn has come could not be woken; the sweeper will')
  }
}
