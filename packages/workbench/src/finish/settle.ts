/**
 * Compares a run with the engine, and ends it when the engine has: a job cancelled elsewhere, tries used up, a deadline.
 * The engine decides; so nothing here ever keeps a run alive or revives one.
 */
import { isTerminal, TuttiError } from '@tutti/contracts'
import { findOpen, type Job } from '@tutti/engine'
import { ensureJobsSoon } from '../create/ensure-jobs.ts'
import type { WorkbenchDeps } from '../deps.ts'
import { pendingOf } from '../requests/requests.ts'
import { wake, wakeNext } from '../requests/wake.ts'
import { changeSession, type SessionChange } from '../session/change-session.ts'
import { hasEnded, isHeld, type RunRow } from '../session/rows.ts'
import { findRun, updateRun } from '../session/runs.ts'
import { endRun } from './end-run.ts'
import { reportParked } from './park.ts'
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
  if (seen.park !== null && !hasEnded(seen.status) && !isHeld(seen.status) && job !== null && !isTerminal(job.status)) {
    await settleParked(deps, seen, job)
    return
  }
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
  await wakeNext(deps, seen.session_id)
  await ensureJobsSoon(deps, ended.session_id)
}

/** A run that waits: has the engine been told so, has it been told of the answer, and is there still time for one? */
const settleParked = async (deps: WorkbenchDeps, seen: RunRow, job: Job): Promise<void> => {
  if (seen.park?.reason === 'turn') return wakeNext(deps, seen.session_id)
  const ended = await changeSession(deps.database, { runId: seen.id }, (change) => endIfExpired(change, seen))
  if (ended) {
    await reportEnd(deps, ended)
    await wakeNext(deps, seen.session_id)
  } else if (job.waiting?.kind === 'task' && job.waiting.task.id === seen.task_id) await reportParked(deps, seen)
  else if (seen.park?.reason === 'input' && (await pendingOf(deps.database, seen.id)).length === 0)
    await wake(deps, seen)
}

const endIfExpired = async (change: SessionChange, seen: RunRow): Promise<RunRow | undefined> => {
  const run = await findRun(change.tx, seen.id)
  if (run?.status !== 'waiting' || run.parks !== seen.parks) return undefined
  const pending = await change.tx.query<{ late: boolean; ms: number }>(
    `select expires_at <= now() as late, extract(epoch from expires_at - now())::float8 * 1000 as ms
     from workbench.user_input_requests where run_id = $1 and status = 'pending'`,
    [run.id],
  )
  if (!pending.some(({ late }) => late)) {
    // Looked at again as soon as the first of them is late.
    const soonest = Math.min(...pending.map(({ ms }) => ms))
    if (soonest < nextLookMs) await updateRun(change.tx, run, {}, { checkInMs: Math.max(0, soonest) })
    return undefined
  }
  const message = 'QUESTION_EXPIRED: nobody answered in time'
  await endRun(change, run, {
    status: 'failed',
    outcome: { status: 'failure', data: null, error: { code: 'QUESTION_EXPIRED', message } },
    error: message,
  })
  return run
}

/** The sweeper comes back by itself after so long. */
const nextLookMs = 30_000

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
  return run.task_id !== null && findOpen(job.waiting, run.task_id) === undefined
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
