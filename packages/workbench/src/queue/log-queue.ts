import type { SessionChange } from '../session/change-session.ts'
import { type QueueItemRow, queueFacts } from './rows.ts'

/** Tells readers that the queue has changed, and what became of the item, if it was one. Not its prompt: it may be long. */
export const logQueue = async (change: SessionChange, item?: QueueItemRow): Promise<void> => {
  const facts = await queueFacts(change.tx, change.session.id)
  change.log('queue.update', {
    ...facts,
    ...(item === undefined ? {} : { queue_item_id: item.id, status: item.status, linked_run_id: item.linked_run_id }),
  })
}
