/**
 * A run's way through this process, station by station: stage, sandbox, turn, export, finish. Called with a fresh claim;
 * returns when the backend knows the end, or when this manager has nothing to say about it any more.
 */
import type { ClaimedRun } from '@tutti/contracts'
import type { Logger } from '@tutti/telemetry'
import { keepLease, type Lease } from '../claim/lease.ts'
import type { SessionGate } from '../claim/sessions.ts'
import type { Station } from '../deps.ts'
import { exportWorkspace } from '../export/export.ts'
import { RunFault } from '../fault.ts'
import { reportEnd } from '../finish/report.ts'
import { failed, type RunEnd, type Verdict, verdictOf } from '../finish/verdict.ts'
import { createAccount } from '../relay/account.ts'
import { attempt } from './attempt.ts'
import type { Shutdown } from './shutdown.ts'

export const workOn = async (
  station: Station,
  gate: SessionGate,
  claimed: ClaimedRun,
  shutdown: Shutdown,
): Promise<void> => {
  const { run_id, session_id, attempt: number } = claimed
  const log = station.log.child({ run_id, session_id, attempt: number })
  const lease = keepLease(
    { backend: station.backend, log },
    {
      claimed,
      workerId: station.workerId,
      leaseSeconds: station.leaseSeconds,
      renewWaitMs: station.settings.renewWaitMs,
      renewEveryMs: station.settings.renewEveryMs,
    },
  )
  log.info('a run was claimed')
  const done = station.atWork.enter(session_id, lease)
  const leave = await gate.enter(session_id)
  try {
    const end = await carryOut(station, claimed, lease, shutdown, log)
    if (end !== undefined) await reportEnd(station, claimed, end, { lease, abandoned: shutdown.abandoned, log })
  } finally {
    lease.end()
    leave()
    done()
  }
}

/** The run's end; undefined where it is not ours to tell. */
const carryOut = async (
  station: Station,
  claimed: ClaimedRun,
  lease: Lease,
  shutdown: Shutdown,
  log: Logger,
): Promise<RunEnd | undefined> => {
  const began = performance.now()
  const account = createAccount(
    { backend: station.backend, log },
    { claimed, workerId: station.workerId, lease, tellEveryMs: station.settings.tellEveryMs },
  )
  const stop = AbortSignal.any([lease.lost, lease.cancelled, shutdown.drained])
  const { end, workspace } = await attempt(station, claimed, { lease, account, stop, shutdown, log })
  // Before the end is told: with it the backend adds up what the run has used.
  await account.close()
  if (lease.lost.aborted) return undefined
  const spending = { spent: account.spent(), durationMs: performance.now() - began }
  if (!('code' in end) && end.kind === 'stopped') {
    const usage = { ...spending.spent, duration_ms: Math.round(spending.durationMs) }
    if (lease.cancelled.aborted) return { outcome: 'canceled', usage }
    const released = new RunFault('MANAGER_STOPPING', 'The executor manager is being stopped', { retryable: true })
    return { ...failed(released), usage }
  }
  const verdict = 'code' in end ? failed(end) : verdictOf(end, spending)
  if (workspace === undefined) return verdict
  return withExport(station, claimed, workspace, verdict, AbortSignal.any([lease.lost, shutdown.abandoned]), log)
}

/** Also after a failure: what the agent did until then is there to be seen. */
const withExport = async (
  { objects, config, settings }: Station,
  claimed: ClaimedRun,
  workspace: string,
  verdict: Verdict,
  signal: AbortSignal,
  log: Logger,
): Promise<RunEnd | undefined> => {
  try {
    const stored = await exportWorkspace({ objects, log }, claimed, workspace, {
      ignoreDotFiles: config.workspaceIgnoreDotFiles,
      maxFiles: settings.exportFiles,
      maxBytes: settings.exportBytes,
      tries: settings.exportTries,
      pauseMs: settings.exportPauseMs,
      parallel: settings.exportParallel,
      signal,
    })
    return { ...verdict, export: stored }
  } catch (error) {
    if (!(error instanceof RunFault)) {
      if (signal.aborted) return undefined
      throw error
    }
    log.error({ err: error }, 'the workspace could not be exported')
    const report = { ...verdict, export: { status: 'failed' as const, message: error.message } }
    // A turn whose files are lost has not succeeded, whatever the agent says; and its own failure says more than this one.
    return verdict.outcome === 'completed' ? { ...report, ...failed(error) } : report
  }
}
