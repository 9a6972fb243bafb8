import { passOnCommands } from '../commands/overtaken.ts'
import { settleQueue } from '../queue/promote.ts'
import { expireRequests } from '../requests/requests.ts'
import type { SessionChange } from '../session/change-session.ts'
import { isHeld, type RunRow, type StoredOutcome } from '../session/rows.ts'
import { logStatus, updateRun } from '../session/runs.ts'
import { interruptTools } from '../session/tool-executions.ts'

/** How soon the sweeper looks whether the engine has been told; whoever ends a run tells it at once. */
const reportCheckMs = 5_000

/** The one place where a run ends. What the engine is to be told is stored with the end, and told after the commit. */
export const endRun = async (
  change: SessionChange,
  run: RunRow,
  end: { status: 'completed' | 'failed' | 'canceled'; outcome: StoredOutcome; error: string | null },
): Promise<void> => {
  const cancelled = run.status === 'canceling' || (end.status === 'canceled' && !isHeld(run.status))
  await updateRun(
    change.tx,
    run,
    {
      ...{ status: end.status, outcome: end.outcome, last_error: end.error },
      // One that ended while it waited keeps it: its job is told otherwise than one whose task is out.
      ...(isHeld(run.status) ? { park: null } : {}),
    },
    { finished: true, checkInMs: reportCheckMs },
  )
  if (end.status !== 'completed') await interruptTools(change.tx, run.id, end.status)
  await expireRequests(change, run.id)
  await passOnCommands(change, run, { cancelled, failed: end.status === 'failed' })
  // Before the status is told: a session whose next message begins has not come to rest. One that was only interrupted goes on.
  await settleQueue(change, cancelled ? 'canceled' : end.status === 'failed' ? 'failed' : 'completed')
  await logStatus(change, run, end.status)
}
