/** A run whose turn is over and that goes on later. Its job is told to wait, and for what. */
import type { ParkedData } from '../agent-run-blueprint.ts'
import { PARKED } from '../agent-run-blueprint.ts'
import type { WorkbenchDeps } from '../deps.ts'
import { pendingOf } from '../requests/requests.ts'
import { wake } from '../requests/wake.ts'
import type { SessionChange } from '../session/change-session.ts'
import type { Park, RunRow } from '../session/rows.ts'
import { logStatus, updateRun } from '../session/runs.ts'
import { tellParked } from '../webhooks/tell-parked.ts'
import { reportUnderLastLease, type Told } from './report.ts'

/** How soon the sweeper looks whether the engine has been told. */
const parkCheckMs = 5_000

/** The engine waits longer than any request: the workbench, which has the answers, decides what came in time. */
const graceMs = 300_000

/** Only a job of its own can wait: the task of a blueprint's own job would stand open, and hold up what comes after it. */
export const canWait = (run: RunRow): boolean => run.job_id === run.id

export const parkRun = async (change: SessionChange, run: RunRow, park: Park): Promise<void> => {
  // The event of the turn's end has counted the parking; a turn that its manager has halted told none.
  const parks = run.park === null ? run.parks + 1 : run.parks
  await updateRun(
    change.tx,
    run,
    { status: 'waiting', park: run.park ?? park, parks, last_error: null },
    { checkInMs: parkCheckMs },
  )
  await logStatus(change, run, 'running')
}

/** What the engine is told of a run that waits. */
export const parkedOutcome = async ({ database }: WorkbenchDeps, run: RunRow): Promise<Told> => {
  const { reason, until } = run.park ?? { reason: 'input', until: null }
  const pending = await pendingOf(database, run.id)
  const last = Math.max(Date.now(), ...pending.map(({ expires_at }) => expires_at.getTime()))
  const data: ParkedData = { reason, until, timeout_ms: reason === 'input' ? last - Date.now() + graceMs : null }
  return { status: PARKED, data, error: null }
}

/** Tells the engine that the run waits, and, where it has been answered already, that it goes on. */
export const reportParked = async (deps: WorkbenchDeps, run: RunRow): Promise<void> => {
  await tellParked(deps, run)
  await reportUnderLastLease(deps, run, await parkedOutcome(deps, run))
  if (run.park?.reason === 'input' && (await pendingOf(deps.database, run.id)).length === 0) await wake(deps, run)
}
