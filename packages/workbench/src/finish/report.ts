/** Telling the engine how a run ended. Every way of telling may be repeated: the engine takes a result once. */
import { agentSkillOf, TuttiError } from '@tutti/contracts'
import type { LeasedTask, OutcomeAnswer, TaskOutcome } from '@tutti/engine'
import type { PARKED, ParkedData } from '../agent-run-blueprint.ts'
import type { WorkbenchDeps } from '../deps.ts'
import { wake } from '../requests/wake.ts'
import { tellEnd } from '../scheduled-tasks/tell-end.ts'
import { plainJson } from '../session/plain-json.ts'
import type { RunRow, StoredOutcome } from '../session/rows.ts'

/** Answers a task under the lease just taken. */
export const reportLease = async (
  { engine }: WorkbenchDeps,
  { task, token, worker }: LeasedTask,
  outcome: Told,
): Promise<void> => {
  await engine.results([
    { ...asResult(outcome), jobId: task.jobId, taskId: task.id, worker, token, attempt: task.attempt },
  ])
}

/** Answers the run's task under the lease of its last holder. Undefined: the run was never handed out. */
export const reportUnderLastLease = async (
  { engine }: WorkbenchDeps,
  run: RunRow,
  outcome: Told,
): Promise<OutcomeAnswer | undefined> => {
  const { job_id: jobId, task_id: taskId, claimed_by: worker, lease_token: token, task_attempt: attempt } = run
  if (taskId === null || worker === null || token === null) return undefined
  const [answer] = await engine.results([{ ...asResult(outcome), jobId, taskId, worker, token, attempt }])
  return answer
}

/** Gives the run's task back untried. Where its lease is lost meanwhile nothing happens: the loss is counted then. */
export const giveBack = async (
  { engine }: WorkbenchDeps,
  { task_id: id, claimed_by: worker, lease_token: token, schedule_mode }: RunRow,
): Promise<void> => {
  if (id === null || worker === null || token === null) return
  await engine.release([{ worker, token, task: { id, skill: agentSkillOf(schedule_mode) } }])
}

/** How a run ended, or that its turn is parked. */
export type Told = StoredOutcome | { status: typeof PARKED; data: ParkedData; error: null }

const asResult = ({ status, data, error }: Told): Pick<TaskOutcome, 'status' | 'data' | 'error'> => ({
  status,
  data: plainJson(data),
  error,
})

/**
 * Tells the engine of a run that has ended. Where the lease is lost meanwhile nothing is told: the next holder of the
 * task finds the run ended, and answers for it.
 */
export const reportEnd = async (deps: WorkbenchDeps, run: RunRow): Promise<void> => {
  if (run.outcome === null) return
  if (run.status === 'canceled' && run.job_id === run.id) {
    // Also ends a job whose task is in nobody's hands.
    await cancelJob(deps, run)
    await markReported(deps, run.id)
    return
  }
  if (run.park !== null && run.parks > 0) {
    // It ended while its job waited: only because nobody had answered.
    await wake(deps, run, { expired: true })
    await markReported(deps, run.id)
    return
  }
  const answer = await reportUnderLastLease(deps, run, run.outcome)
  if (answer === undefined) return
  const settled =
    answer.status === 'accepted' || answer.reason === 'job_not_found' || answer.reason === 'job_already_terminated'
  if (settled) await markReported(deps, run.id)
}

const cancelJob = async ({ engine }: WorkbenchDeps, run: RunRow): Promise<void> => {
  try {
    await engine.cancel(run.job_id, null, run.user_id, 'the session was cancelled')
  } catch (error) {
    // Not made yet: whoever makes it now hands it to a manager, whose claim finds the run cancelled.
    if (!(error instanceof TuttiError && (error.code === 'JOB_TERMINAL' || error.code === 'JOB_NOT_FOUND'))) throw error
  }
}

/** The engine knows: the run need not be looked at again. */
export const markReported = async (deps: WorkbenchDeps, runId: string): Promise<void> => {
  const [run] = await deps.database.query<Pick<RunRow, 'id' | 'client_request_id'>>(
    `update workbench.runs set reported_at = coalesce(reported_at, now()), check_at = null
     where id = $1 and status in ('completed', 'failed', 'canceled') returning id, client_request_id`,
    [runId],
  )
  if (run) await tellEnd(deps, run)
}
