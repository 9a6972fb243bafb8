/** What people do with messages that wait. */
import { type PatchQueueItem, type QueueItemView, type TaskCreated, TuttiError } from '@tutti/contracts'
import { ensureJobsSoon } from '../create/ensure-jobs.ts'
import { queued, started } from '../create/task-answer.ts'
import type { WorkbenchDeps } from '../deps.ts'
import { readSession } from '../read/sessions.ts'
import { changeSession, type SessionChange } from '../session/change-session.ts'
import { plainJson } from '../session/plain-json.ts'
import { blockingRuns } from '../session/runs.ts'
import { storable } from '../session/storable.ts'
import { holdUploads } from '../uploads/hold-uploads.ts'
import { logQueue } from './log-queue.ts'
import { promote } from './promote.ts'
import { openItems, type QueueItemRow, queueItemView } from './rows.ts'

interface Place {
  userId: string
  sessionId: string
  itemId: string
}

/** Those that wait, in order. @throws TuttiError SESSION_NOT_FOUND */
export const listQueue = async (
  { database }: WorkbenchDeps,
  userId: string,
  sessionId: string,
): Promise<QueueItemView[]> => {
  await readSession(database, userId, sessionId)
  return (await openItems(database, sessionId)).map(queueItemView)
}

/**
 * @throws TuttiError SESSION_NOT_FOUND, QUEUE_ITEM_NOT_FOUND; QUEUE_ITEM_GONE when its turn has come meanwhile; INVALID_BODY for an
 *   attachment that is not the user's
 */
export const patchItem = async (deps: WorkbenchDeps, place: Place, sent: PatchQueueItem): Promise<QueueItemView> => {
  const { prompt, attachments } = storable(plainJson(sent)) as PatchQueueItem
  return changeItem(deps, place, async (change, item) => {
    await holdUploads(change.tx, place.userId, attachments, 'body.attachments')
    const config = attachments === undefined ? item.config : { ...item.config, input_files: attachments }
    return queueItemView(await update(change, item, 'prompt = $2, config = $3', [prompt ?? item.prompt, config]))
  })
}

/** @throws as {@link patchItem} */
export const deleteItem = (deps: WorkbenchDeps, place: Place): Promise<QueueItemView> =>
  changeItem(deps, place, async (change, item) => queueItemView(await update(change, item, `status = 'canceled'`, [])))

/** Next in turn; at once where nothing is under way. @throws as {@link patchItem} */
export const sendNow = async (deps: WorkbenchDeps, place: Place): Promise<TaskCreated> => {
  const answer = await changeItem(deps, place, async (change, item) => {
    if (change.session.status === 'canceling')
      throw new TuttiError('SESSION_CANCELING', 'The session’s turn is being stopped')
    const isBlocked = (await blockingRuns(change.tx, change.session.id)).length > 0
    if (!isBlocked) return started(change, await promote(change, item))
    const first = `status = 'queued', sequence_no =
      (select min(sequence_no) - 1 from workbench.queue_items where session_id = $2)`
    return queued(change, await update(change, item, first, [change.session.id]))
  })
  await ensureJobsSoon(deps, place.sessionId)
  return answer
}

const changeItem = async <T>(
  deps: WorkbenchDeps,
  { userId, sessionId, itemId }: Place,
  work: (change: SessionChange, item: QueueItemRow) => Promise<T>,
): Promise<T> => {
  const done = await changeSession(deps.database, { sessionId, userId }, async (change) => {
    const [item] = await change.tx.query<QueueItemRow>(
      'select * from workbench.queue_items where id = $1 and session_id = $2',
      [itemId, sessionId],
    )
    if (!item) throw new TuttiError('QUEUE_ITEM_NOT_FOUND', 'Queued message not found')
    if (item.status !== 'queued' && item.status !== 'paused')
      throw new TuttiError('QUEUE_ITEM_GONE', `The message waits no more: it was ${item.status}`)
    return { answer: await work(change, item) }
  })
  if (!done) throw new TuttiError('SESSION_NOT_FOUND', 'Session not found')
  return done.answer
}

const update = async (
  change: SessionChange,
  item: QueueItemRow,
  sets: string,
  values: unknown[],
): Promise<QueueItemRow> => {
  const [row] = await change.tx.query<QueueItemRow>(
    `update workbench.queue_items set ${sets}, updated_at = now() where id = $1 returning *`,
    [item.id, ...values],
  )
  if (!row) throw new Error(`queue item ${item.id} is gone`)
  await logQueue(change, row)
  return row
}
