import { type PermissionMode, type ScheduleMode, type TaskConfig, TuttiError } from '@tutti/contracts'
import type { SentBy } from '../create/insert-run.ts'
import type { SessionChange } from '../session/change-session.ts'
import { logQueue } from './log-queue.ts'
import { openItems, type QueueItemRow } from './rows.ts'

/** Messages that may wait in a session: somebody who types that many has a program do it. */
const maxItems = 100

export interface NewItem {
  id: string
  prompt: string
  permissionMode: PermissionMode
  config: TaskConfig
  clientRequestId: string | null
  /** Left out: as soon as its turn has come. */
  scheduleMode?: ScheduleMode
  /** What sends it, where that is no person. */
  sentBy?: SentBy
}

/** Puts a message at the end of the session's queue. @throws TuttiError QUEUE_FULL */
export const enqueue = async (change: SessionChange, item: NewItem): Promise<QueueItemRow> => {
  const { tx, session } = change
  if ((await openItems(tx, session.id)).length >= maxItems)
    throw new TuttiError('QUEUE_FULL', `${maxItems} messages of this session wait already`)
  return insert(change, item, 'coalesce(max(sequence_no), 0) + 1')
}

/** Puts messages before all that wait, in this order. They are taken however many wait: they were taken before, for a turn that ended. */
export const putFirst = async (change: SessionChange, items: readonly NewItem[]): Promise<void> => {
  for (const item of items.toReversed()) await insert(change, item, 'coalesce(min(sequence_no), 1) - 1')
}

const insert = async (change: SessionChange, item: NewItem, place: string): Promise<QueueItemRow> => {
  const [row] = await change.tx.query<QueueItemRow>(
    `insert into workbench.queue_items
       (id, session_id, sequence_no, status, prompt, permission_mode, config, client_request_id, schedule_mode,
        scheduled_task_id, attended)
     select $1, $2, ${place}, 'queued', $3, $4, $5, $6, $7, $8, $9
     from workbench.queue_items where session_id = $2
     returning *`,
    [
      item.id,
      change.session.id,
      item.prompt,
      item.permissionMode,
      item.config,
      item.clientRequestId,
      item.scheduleMode ?? 'immediate',
      item.sentBy?.scheduledTaskId ?? null,
      item.sentBy?.attended ?? true,
    ],
  )
  if (!row) throw new Error('PostgreSQL did not answer the message that it stored')
  await logQueue(change, row)
  return row
}
