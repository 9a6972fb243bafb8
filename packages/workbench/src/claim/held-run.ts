import { TuttiError } from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'
import { isHeld, type RunRow } from '../session/rows.ts'
import { findRun } from '../session/runs.ts'

export interface Holder {
  worker_id: string
  lease_token: string
}

/** Whether this holder was the last to whom the run was handed out. */
export const isLastHolder = (run: Pick<RunRow, 'lease_token' | 'claimed_by'>, holder: Holder): boolean =>
  run.lease_token === holder.lease_token && run.claimed_by === holder.worker_id

/**
 * The run, if this holder still holds it. The fence of every write by a manager: call it under the session's lock.
 * @throws TuttiError RUN_NOT_FOUND, LEASE_LOST
 */
export const heldRun = async (tx: Queryable, runId: string, holder: Holder): Promise<RunRow> =>
  ifHeld(await findRun(tx, runId), runId, holder)

/** The fence itself, for a run that was read under its session's lock. @throws TuttiError RUN_NOT_FOUND, LEASE_LOST */
export const ifHeld = <Run extends Pick<RunRow, 'status' | 'lease_token' | 'claimed_by'>>(
  run: Run | undefined,
  runId: string,
  holder: Holder,
): Run => {
  if (!run) throw new TuttiError('RUN_NOT_FOUND', 'Run not found')
  if (!isHeld(run.status) || !isLastHolder(run, holder))
    throw new TuttiError('LEASE_LOST', `Run ${runId} is no longer held by ${holder.worker_id} under this lease`)
  return run
}
