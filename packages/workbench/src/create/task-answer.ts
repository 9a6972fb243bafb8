/** What POST /tasks and its relatives answer. */
import type { TaskCreated } from '@tutti/contracts'
import { type QueueItemRow, queueFacts } from '../queue/rows.ts'
import type { SessionChange } from '../session/change-session.ts'
import type { RunRow } from '../session/rows.ts'

type Where = Pick<SessionChange, 'tx'>

export const started = async ({ tx }: Where, run: RunRow): Promise<TaskCreated> => ({
  session_id: run.session_id,
  accepted_type: 'run',
  run_id: run.id,
  queue_item_id: null,
  status: run.status,
  queued_query_count: (await queueFacts(tx, run.session_id)).queued_query_count,
})

export const queued = async ({ tx }: Where, item: QueueItemRow): Promise<TaskCreated> => ({
  session_id: item.session_id,
  accepted_type: 'queued_query',
  run_id: item.linked_run_id,
  queue_item_id: item.id,
  status: item.status,
  queued_query_count: (await queueFacts(tx, item.session_id)).queued_query_count,
})
