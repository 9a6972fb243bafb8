/** What becomes of waiting messages when a turn ends; called in the transaction that ends it. */
import { insertRun } from '../create/insert-run.ts'
import { lasting } from '../create/merge-config.ts'
import type { SessionChange } from '../session/change-session.ts'
import type { RunRow } from '../session/rows.ts'
import { blockingRuns } from '../session/runs.ts'
import { logQueue } from './log-queue.ts'
import type { QueueItemRow } from './rows.ts'

/** After a failure nothing goes on by itself: the next message was written in the belief that the turn would succeed. */
export const settleQueue = async (change: SessionChange, ended: 'completed' | 'failed' | 'canceled'): Promise<void> => {
  if (ended === 'completed') await promoteNext(change)
  else if (ended === 'failed') await moveAll(change, ['queued'], 'paused')
  else await moveAll(change, ['queued', 'paused'], 'canceled')
}

/** Makes the first waiting message a run, unless another run of the session is under way. */
const promoteNext = async (change: SessionChange): Promise<RunRow | undefined> => {
  if ((await blockingRuns(change.tx, change.session.id)).length > 0) return undefined
  const [item] = await change.tx.query<QueueItemRow>(
    `select * from workbench.queue_items where session_id = $1 and status = 'queued' order by sequence_no limit 1`,
    [change.session.id],
  )
  return item && promote(change, item)
}

/** The item's id becomes the run's: whoever tries to promote it twice finds the run. */
export const promote = async (change: SessionChange, item: QueueItemRow): Promise<RunRow> => {
  change.patch({ config_snapshot: JSON.parse(JSON.stringify(lasting(item.config))) })
  const run = await insertRun(change, {
    id: item.id,
    jobId: item.id,
    taskId: null,
    clientRequestId: item.client_request_id,
    prompt: item.prompt,
    permissionMode: item.permission_mode,
    config: item.config,
    attended: item.attended,
    scheduledTaskId: item.scheduled_task_id,
    schedule: { mode: item.schedule_mode, at: null },
  })
  const [promoted] = await change.tx.query<QueueItemRow>(
    `update workbench.queue_items
     set status = 'promoted', linked_run_id = $2, linked_user_message_id = $3, updated_at = now()
     where id = $1 returning *`,
    [item.id, run.id, run.user_message_id],
  )
  await logQueue(change, promoted)
  return run
}

/** Moves all items in one of the states to another. @returns how many */
export const moveAll = async (
  change: SessionChange,
  from: QueueItemRow['status'][],
  to: QueueItemRow['status'],
): Promise<number> => {
  const moved = await change.tx.query(
    `update workbench.queue_items set status = $3, updated_at = now()
     where session_id = $1 and status = any ($2) returning id`,
    [change.session.id, from, to],
  )
  if (moved.length > 0) await logQueue(change)
  return moved.length
}
