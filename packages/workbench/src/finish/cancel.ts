import { type CancelSession, type SessionCanceled, TuttiError } from '@tutti/contracts'
import { once } from '../commands/once.ts'
import type { WorkbenchDeps } from '../deps.ts'
import { moveAll } from '../queue/promote.ts'
import { openItems } from '../queue/rows.ts'
import { expireRequests } from '../requests/requests.ts'
import { changeSession, type SessionChange } from '../session/change-session.ts'
import { isHeld, type RunRow } from '../session/rows.ts'
import { logStatus, openRuns, updateRun } from '../session/runs.ts'
import { storable } from '../session/storable.ts'
import { endRun } from './end-run.ts'
import { reportEnd } from './report.ts'

/**
 * POST /api/v1/sessions/{id}/cancel. Messages that wait are dropped, waiting runs end at once. A run in a manager's hands
 * becomes `canceling`: the manager hears of it at its next renewal and answers with its end. Its job is not cancelled before:
 * the engine would let the session's next turn start while this one still writes in the workspace.
 * @throws TuttiError SESSION_NOT_FOUND, RUN_NOT_CURRENT
 */
export const cancelSession = (
  deps: WorkbenchDeps,
  userId: string,
  sessionId: string,
  request: CancelSession,
): Promise<SessionCanceled> => cancelAll(deps, userId, sessionId, request, async () => {})

/** DELETE /api/v1/sessions/{id}: it is cancelled, and gone for its user. @throws TuttiError SESSION_NOT_FOUND */
export const deleteSession = async (deps: WorkbenchDeps, userId: string, sessionId: string): Promise<void> => {
  await cancelAll(deps, userId, sessionId, { reason: 'the session was deleted' }, async (change) =>
    change.patch({ is_deleted: true }),
  )
}

const cancelAll = async (
  deps: WorkbenchDeps,
  userId: string,
  sessionId: string,
  { reason, run_id, client_request_id: id }: CancelSession,
  also: (change: SessionChange) => Promise<void>,
): Promise<SessionCanceled> => {
  const ended: RunRow[] = []
  const cancelled = await changeSession(deps.database, { sessionId, userId }, (change) =>
    once(change, { kind: 'cancel', id }, async () => {
      const runs = await openRuns(change.tx, sessionId)
      if (run_id !== undefined && !runs.some((run) => run.id === run_id)) throw notCurrent(run_id)
      // First: the end of a run would cancel them too, and they would not be counted.
      const queued = (await openItems(change.tx, sessionId)).length
      await moveAll(change, ['queued', 'paused'], 'canceled')
      let expired = 0
      for (const run of runs) {
        // No answer will be heard, also where the turn is still to be stopped.
        expired += await expireRequests(change, run.id)
        await cancelRun(change, run, storable(reason ?? null))
      }
      await also(change)
      ended.push(...runs.filter((run) => run.status === 'canceled'))
      const held = runs.find((run) => run.status === 'canceling')
      return {
        session_id: sessionId,
        status: change.session.status,
        canceled_runs: runs.length,
        canceled_queued_queries: queued,
        expired_user_input_requests: expired,
        executor_cancel_status: held ? ('pending' as const) : ('not_required' as const),
        executor_cancel_target_worker_id: held?.claimed_by ?? null,
        executor_cancelled: false,
      }
    }),
  )
  if (!cancelled) throw new TuttiError('SESSION_NOT_FOUND', 'Session not found')
  for (const run of ended) await tell(deps, run)
  return cancelled
}

/** What a client asks for a certain run must not hit the one after it. */
export const notCurrent = (runId: string): TuttiError =>
  new TuttiError('RUN_NOT_CURRENT', `Run ${runId} is not at work in this session`, { path: 'body.run_id' })

const cancelRun = async (change: SessionChange, run: RunRow, reason: string | null): Promise<void> => {
  if (run.status === 'canceling') return
  if (!isHeld(run.status)) {
    await endRun(change, run, {
      status: 'canceled',
      outcome: { status: 'cancelled', data: null, error: null },
      error: reason,
    })
    return
  }
  await updateRun(change.tx, run, { status: 'canceling', last_error: reason })
  await logStatus(change, run, 'canceling')
  change.alert(run.id)
}

const tell = async (deps: WorkbenchDeps, run: RunRow): Promise<void> => {
  try {
    await reportEnd(deps, run)
  } catch (error) {
    deps.log.warn({ err: error, run_id: run.id }, 'the engine could not be told of a cancelled run; the sweeper will')
  }
}
