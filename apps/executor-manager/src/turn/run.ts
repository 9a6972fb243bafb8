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
import { failed, type RunEnd, type Spending, type Verdict, verdictOf } from '../finish/verdict.ts'
import { createAccount } from '../relay/account.ts'
import { type Home, homeOf, noteMeta, readMeta } from '../stage/home.ts'
import { attempt } from './attempt.ts'
import type { TurnEnd } from './play.ts'
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
    await rest(station, claimed).catch((error: unknown) =>
      log.warn({ err: error }, 'a workspace stays marked as in use'),
    )
    leave()
    done()
  }
}

/** From now on the workspace may be cleaned up. */
const rest = async ({ config }: Station, claimed: ClaimedRun): Promise<void> => {
  const home = homeOf(config.workspaceRoot, claimed.user_id, claimed.session_id)
  if ((await readMeta(home.folder)) !== null) await noteMeta(home, claimed.run_id, { status: 'idle' })
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
  const { end, home } = await attempt(station, claimed, { lease, account, stop, shutdown, log })
  const verdict = verdictFor(end, lease, { spent: account.spent(), durationMs: performance.now() - began })
  // Before the end is told, with which the backend adds up what the run has used; the files go out meanwhile.
  const told = account.close()
  if (lease.lost.aborted || home === undefined) {
    await told
    return lease.lost.aborted ? undefined : verdict
  }
  const [run] = await Promise.all([withExport(station, claimed, { home, verdict }, { lease, shutdown, log }), told])
  return lease.lost.aborted ? undefined : run
}

const verdictFor = (end: TurnEnd | RunFault, lease: Lease, account: Spending): Verdict => {
  if ('code' in end) return failed(end)
  if (end.kind !== 'stopped') return verdictOf(end, account)
  const usage = { ...account.spent, duration_ms: Math.round(account.durationMs) }
  if (lease.cancelled.aborted) return { outcome: 'canceled', usage }
  const why = new RunFault('MANAGER_STOPPING', 'The executor manager is being stopped', { retryable: true })
  return { ...failed(why), outcome: 'released', usage }
}

/** Also after a failure or a cancellation: what the agent did until then is there to be seen. */
const withExport = async (
  { objects, config, settings }: Station,
  claimed: ClaimedRun,
  { home, verdict }: { home: Home; verdict: Verdict },
  { lease, shutdown, log }: { lease: Lease; shutdown: Shutdown; log: Logger },
): Promise<RunEnd | undefined> => {
  const signal = AbortSignal.any([lease.lost, shutdown.abandoned])
  // Its next attempt goes on in this workspace and stores it then: nobody is to wait for a store that is away.
  const again = verdict.outcome === 'failed' && verdict.error?.retryable === true
  try {
    const stored = await exportWorkspace({ objects, log }, claimed, home, {
      ignoreDotFiles: config.workspaceIgnoreDotFiles,
      patterns: config.workspaceGitIgnore,
      maxFiles: settings.exportFiles,
      maxBytes: settings.exportBytes,
      tries: settings.exportTries,
      pauseMs: settings.exportPauseMs,
      // Who cancels the run is not kept waiting for its files.
      awayMs: () => (again || lease.cancelled.aborted ? 0 : settings.objectsAwayMs),
      parallel: settings.exportParallel,
      signal,
    })
    return { ...verdict, export: stored }
  } catch (error) {
    if (!(error instanceof RunFault)) {
      if (signal.aborted) return undefined
      throw error
    }
    if (again) {
      log.warn({ err: error }, 'the workspace could not be exported; the next attempt will try')
      return verdict
    }
    log.error({ err: error }, 'the workspace could not be exported')
    const report = { ...verdict, export: { status: 'failed' as const, message: error.message } }
    // A turn whose files are lost has not succeeded, whatever the agent says; and its own failure says more than this one.
    return verdict.outcome === 'completed' ? { ...report, ...failed(error) } : report
  }
}
