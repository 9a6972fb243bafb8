import { isTerminal } from '@tutti/contracts'
import { type Change, type CommitOutcome, labelsOf, type Task } from '@tutti/engine'
import type { Pool } from 'pg'
import { columnList, columnText } from './text.ts'

/** Of a task: what the Store never looks at, and names, which columns hold only as far as they can (see `text.ts`). */
export type TaskBody = Pick<
  Task,
  | 'jobId'
  | 'client'
  | 'skill'
  | 'queue'
  | 'params'
  | 'concurrencyKey'
  | 'concurrencyLimit'
  | 'fairKey'
  | 'pickupBy'
  | 'trace'
>

/** Rows of all changes, each with the number of its change, from 1. */
const rowsOf = <T>(changes: Change[], pick: (change: Change) => T[]): { of: number[]; rows: T[] } => {
  const of: number[] = []
  const rows: T[] = []
  changes.forEach((change, at) => {
    for (const row of pick(change)) {
      of.push(at + 1)
      rows.push(row)
    }
  })
  return { of, rows }
}

/** Takes many changes in one round trip: see tutti.commit in the migrations. */
export const commit = async (pool: Pool, changes: Change[]): Promise<CommitOutcome[]> => {
  const jobs = changes.map((change) => change.job)
  const fences = rowsOf(changes, (change) => change.fences)
  const tasks = rowsOf(changes, (change) => change.enqueue)
  const requeue = rowsOf(changes, (change) => change.requeue)
  const close = rowsOf(changes, (change) => change.close)
  const timers = rowsOf(changes, (change) => [...change.setTimers, ...change.spawn.flatMap((child) => child.timers)])
  const clear = rowsOf(changes, (change) => change.clearTimers)
  const events = rowsOf(changes, (change) => [...change.events, ...change.spawn.flatMap((child) => child.events)])
  const children = rowsOf(changes, (change) => change.spawn.map((child) => child.job))
  const taskBody = ({ id, priority, attempt, visibleAt, timeoutMs, ...body }: Task): string =>
    JSON.stringify(body satisfies TaskBody)

  const columns = [
    jobs.map((job) => job.id),
    jobs.map((job) => columnText(job.client)),
    jobs.map((job) => job.blueprint),
    jobs.map((job) => job.version),
    jobs.map((job) => job.status),
    jobs.map((job) => columnList(labelsOf(job))),
    jobs.map((job) => job.createdAt),
    jobs.map((job) => job.rev),
    jobs.map((job) => job.wakeAt),
    jobs.map((job) => isTerminal(job.status)),
    jobs.map((job) => JSON.stringify(job)),
    fences.of,
    fences.rows.map(([taskId]) => columnText(taskId)),
    fences.rows.map(([, token]) => columnText(token)),
    changes.flatMap((change) => change.answered).map(columnText),
    tasks.of,
    tasks.rows.map((task) => task.id),
    tasks.rows.map((task) => columnText(task.queue)),
    tasks.rows.map((task) => task.priority),
    tasks.rows.map((task) => (task.concurrencyKey === null ? null : columnText(task.concurrencyKey))),
    tasks.rows.map((task) => task.attempt),
    tasks.rows.map((task) => task.visibleAt),
    tasks.rows.map((task) => task.timeoutMs),
    tasks.rows.map(taskBody),
    requeue.of,
    requeue.rows.map((entry) => entry.taskId),
    requeue.rows.map((entry) => entry.attempt),
    requeue.rows.map((entry) => entry.visibleAt),
    close.of,
    close.rows,
    timers.of,
    timers.rows.map((timer) => timer.id),
    timers.rows.map((timer) => timer.jobId),
    timers.rows.map((timer) => timer.dueAt),
    timers.rows.map((timer) => JSON.stringify(timer.cause)),
    clear.of,
    clear.rows,
    events.of,
    events.rows.map((event) => event.jobId),
    events.rows.map((event) => event.seq),
    events.rows.map((event) => event.at),
    events.rows.map((event) => event.type),
    events.rows.map((event) => columnText(event.state)),
    events.rows.map((event) => JSON.stringify(event.data)),
    children.of,
    children.rows.map((job) => job.id),
    children.rows.map((job) => columnText(job.client)),
    children.rows.map((job) => job.blueprint),
    children.rows.map((job) => job.version),
    children.rows.map((job) => job.status),
    children.rows.map((job) => columnList(labelsOf(job))),
    children.rows.map((job) => job.createdAt),
    children.rows.map((job) => job.wakeAt),
    children.rows.map((job) => JSON.stringify(job)),
  ]
  const { rows } = await pool.query<{ verdicts: string[]; lost: string[] | null }>({
    name: 'commit',
    text: `SELECT verdicts, lost FROM tutti.commit(${columns.map((_, at) => `$${at + 1}`).join(', ')})`,
    values: columns,
  })
  const [answer] = rows
  if (!answer) throw new Error('tutti.commit gave no answer')
  const lost = new Set(answer.lost ?? [])
  return changes.map((change, at) => outcomeOf(answer.verdicts[at], change, lost))
}

const outcomeOf = (verdict: string | undefined, change: Change, lost: Set<string>): CommitOutcome => {
  switch (verdict) {
    case 'accepted':
      return { accepted: true }
    case 'exists':
    case 'stale':
      return { accepted: false, reason: verdict }
    case 'fenced': {
      const tasks = change.fences.map(([taskId]) => taskId).filter((taskId) => lost.has(taskId))
      return { accepted: false, reason: 'fenced', tasks }
    }
    default:
      throw new Error(`tutti.commit answered ${verdict}`)
  }
}
