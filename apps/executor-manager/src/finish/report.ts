import type { ClaimedRun } from '@tutti/contracts'
import type { Logger } from '@tutti/telemetry'
import { isLeaseLost } from '../backend/error.ts'
import { persist } from '../backend/persist.ts'
import type { Lease } from '../claim/lease.ts'
import type { Station } from '../deps.ts'
import { messageOf } from '../fault.ts'
import type { RunEnd } from './verdict.ts'

export interface ReportContext {
  lease: Lease
  abandoned: AbortSignal
  log: Logger
}

/** Tells the backend how the run ended, as often as it takes: it counts a repetition once. Never rejects. */
export const reportEnd = async (
  { backend, workerId }: Pick<Station, 'backend' | 'workerId'>,
  claimed: ClaimedRun,
  end: RunEnd,
  { lease, abandoned, log }: ReportContext,
): Promise<void> => {
  const { run_id, lease_token, attempt } = claimed
  const signal = AbortSignal.any([lease.lost, abandoned])
  try {
    await persist(() => backend.finish(run_id, { worker_id: workerId, lease_token, attempt, ...end }), { signal, log })
    log.info({ outcome: end.outcome, code: end.error?.code }, 'the end of a run is reported')
  } catch (error) {
    // Whoever holds the run next, or the end of the lease, decides about it.
    if (isLeaseLost(error) || lease.lost.aborted) log.warn({ reason: messageOf(error) }, 'a run ended in other hands')
    else if (abandoned.aborted) log.warn('the manager stopped before the end of a run could be reported')
    else log.error({ err: error }, 'the backend refused the end of a run')
  }
}
