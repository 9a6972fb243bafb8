import type { PermissionMode, QueueItemView, ScheduleMode, TaskConfig } from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'
import type { QueueFacts } from '../session/rows.ts'

export interface QueueItemRow {
  id: string
  session_id: string
  sequence_no: number
  status: QueueItemView['status']
  prompt: string
  permission_mode: PermissionMode
  /** All that its run will be given, its files included. */
  config: TaskConfig
  client_request_id: string | null
  schedule_mode: ScheduleMode
  scheduled_task_id: string | null
  attended: boolean
  linked_run_id: string | null
  linked_user_message_id: number | null
  created_at: Date
  updated_at: Date
}

export const queueItemView = (row: QueueItemRow): QueueItemView => ({
  queue_item_id: row.id,
  session_id: row.session_id,
  sequence_no: row.sequence_no,
  status: row.status,
  prompt: row.prompt,
  permission_mode: row.permission_mode,
  attachments: row.config.input_files ?? [],
  client_request_id: row.client_request_id,
  linked_run_id: row.linked_run_id,
  linked_user_message_id: row.linked_user_message_id,
  created_at: row.created_at.toISOString(),
  updated_at: row.updated_at.toISOString(),
})

/** In the order in which their turns come. */
export const openItems = (database: Queryable, sessionId: string): Promise<QueueItemRow[]> =>
  database.query<QueueItemRow>(
    `select * from workbench.queue_items where session_id = $1 and status in ('queued', 'paused') order by sequence_no`,
    [sessionId],
  )

export const queueFacts = async (database: Queryable, sessionId: string): Promise<QueueFacts> => {
  const [facts] = await database.query<QueueFacts>(`select ${queueFactsOf('$1::uuid')}`, [sessionId])
  return facts ?? { queued_query_count: 0, next_queued_query_preview: null }
}

/** Columns for a query of sessions: one index look-up each, however many sessions are listed. */
export const queueFactsOf = (session: string): string => {
  const open = `from workbench.queue_items item where item.session_id = ${session} and item.status in ('queued', 'paused')`
  return `(select count(*) ${open}) as queued_query_count,
    (select left(item.prompt, 200) ${open} order by item.sequence_no limit 1) as next_queued_query_preview`
}
