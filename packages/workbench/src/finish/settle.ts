/**
 * Compares a run with the engine, and ends it when the engine has: a job cancelled elsewhere, tries used up, a deadline.
 * The engine decides; so nothing here ever keeps a run alive or revives one.
 */
import { isTerminal, TuttiError } from '@tutti/contracts'
import type { Job } from '@tutti/engine'
import { ensureJobsSoon } from '../create/ensure-jobs.ts'
import type { WorkbenchDeps } from '../deps.ts'
import { changeSession, type SessionChange } from '../session/change-session.ts'
import { hasEnded, type RunRow } from '../session/rows.ts'
import { findRun } from '../session/runs.ts'
import { endRun } from './end-run.ts'
import { markReported, reportEnd } from './report.ts'

/** @param options.leaseEnded the run's holder has given no sign of life for longer than its lease */
export const settle = async (
  deps: WorkbenchDeps,
  runId: string,
  options: { leaseEnded?: boolean } = {},
): Promise<void> => {
  const seen = await findRun(deps.database, runId)
  if (!seen || seen.reported_at !== null) return
  const job = await jobOf(deps, seen)
  const over = taskIsOver(job, seen)
  if (hasEnded(seen.status)) {
    if (over) await markReported(deps, runId)
    else await reportEnd(deps, seen)
    return
  }
  // Nobody is left to stop the turn, and it needs no stopping: its sandbox has lost its manager, or its manager the lease.
  const abandoned = seen.status === 'canceling' && options.leaseEnded === true
  if (!over && !abandoned) return
  const ended = await changeSession(deps.database, { runId }, (change) => endAsSeen(change, seen, job))
  if (!ended) return
  if (over) await markReported(deps, runId)
  else await reportEnd(deps, ended)
  await ensureJobsSoon(deps, ended.session_id)
}

const jobOf = async ({ engine }: WorkbenchDeps, run: RunRow): Promise<Job | null> => {
  try {
    return await engine.job(run.job_id, null)
  } catch (error) {
    if (error instanceof TuttiError && error.code === 'JOB_NOT_FOUND') return null
    throw error
  }
}

const taskIsOver = (job: Job | null, run: RunRow): boolean => {
  // A job that was never made is the sweeper's to make, not a job that has ended.
  if (job === null) return run.job_created_at !== null
  if (isTerminal(job.status)) return true
  const { waiting } = job
  if (run.task_id === null) return false
  if (waiting?.kind === 'task') return waiting.task.id !== run.task_id
  if (waiting?.kind === 'parallel')
    return !waiting.branches.some(({ task, status }) => task.id === run.task_id && status === 'open')
  return true
}

/** Undefined: the run has moved on since it was looked at. */
const endAsSeen = async (change: SessionChange, seen: RunRow, job: Job | null): Promise<RunRow | undefined> => {
  const run = await findRun(change.tx, seen.id)
  if (!run || hasEnded(run.status) || run.lease_token !== seen.lease_token) return undefined
  if (run.status === 'canceling' || job?.status === 'cancelled')
    await endRun(change, run, {
      status: 'canceled',
      outcome: { status: 'cancelled', data: null, error: null },
      error: null,
    })
  else {
    const message =
      run.last_error ?? job?.error?.message ?? job?.last?.error?.message ?? 'the job ended without a result'
    await endRun(change, run, {
      status: 'failed',
      outcome: { status: 'failure', data: null, error: { code: 'PERMANENT_ERROR', message } },
      error: message,
    })
  }
  return run
}
