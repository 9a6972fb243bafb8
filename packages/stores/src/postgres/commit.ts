import { isTerminal } from '@tutti/contracts'
import { type Change, type CommitOutcome, type JobEvent, labelsOf, type Task } from '@tutti/engine'
import type { Pool } from 'pg'
import { earliest, instantsOf } from '../instants.ts'
import { bodyOfJob } from '../job-body.ts'
import { recordBody } from './records.ts'
import { columnKey, columnList, columnText, fullName } from './text.ts'

/** Of a task: what the Store never looks at, and names, which columns may hold as a digest only (see `text.ts`). */
export type TaskBody = Pick<Task, 'jobId' | 'client' | 'skill' | 'params' | 'concurrencyKey' | 'fairKey' | 'trace'>

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
  const events = rowsOf(changes, (change) => [
    ...change.events.map((event) => ({ ...event, child: null })),
    ...change.spawn.flatMap((child) => child.events.map((event) => ({ ...event, child: child.job.id }))),
  ])
  const children = rowsOf(changes, (change) => change.spawn)
  const spawned = children.rows
  const records = rowsOf(changes, (change) => change.records)

  const columns = [
    jobs.map((job) => job.id),
    jobs.map((job) => columnText(job.client)),
    jobs.map((job) => job.blueprint),
    plain(jobs.map((job) => job.version)),
    jobs.map((job) => job.status),
    jobs.map((job) => columnList(labelsOf(job))),
    plain(jobs.map((job) => job.createdAt)),
    plain(jobs.map((job) => job.rev)),
    plain(jobs.map((job) => job.wakeAt)),
    plain(jobs.map((job) => isTerminal(job.status))),
    plain(jobs.map((job) => (isTerminal(job.status) ? job.finishedAt : null))),
    bodies(jobs.map(bodyOfJob)),
    plain(changes.map((change) => firstSeq(change.events))),
    plain(changes.map((change) => lastSeq(change.events))),
    plain(fences.of),
    fences.rows.map(([taskId]) => columnText(taskId)),
    fences.rows.map(([, token]) => columnText(token)),
    changes.flatMap((change) => change.answered).map(columnText),
    plain(tasks.of),
    tasks.rows.map((task) => task.id),
    tasks.rows.map((task) => columnKey(task.queue)),
    tasks.rows.map((task) => fullName(task.queue)),
    plain(tasks.rows.map((task) => task.priority)),
    tasks.rows.map((task) => columnKey(task.fairKey)),
    tasks.rows.map((task) => (task.concurrencyKey === null ? null : columnKey(task.concurrencyKey))),
    plain(tasks.rows.map((task) => task.concurrencyLimit)),
    plain(tasks.rows.map((task) => task.attempt)),
    plain(tasks.rows.map((task) => task.visibleAt)),
    plain(tasks.rows.map((task) => task.pickupBy)),
    plain(tasks.rows.map((task) => task.timeoutMs)),
    bodies(tasks.rows.map(bodyOf)),
    plain(requeue.of),
    requeue.rows.map((entry) => entry.taskId),
    plain(requeue.rows.map((entry) => entry.attempt)),
    plain(requeue.rows.map((entry) => entry.visibleAt)),
    plain(requeue.rows.map((entry) => entry.pickupBy ?? null)),
    requeue.rows.map((entry) => (entry.queue === undefined ? null : columnKey(entry.queue))),
    requeue.rows.map((entry) => (entry.queue === undefined ? null : fullName(entry.queue))),
    plain(close.of),
    close.rows,
    plain(timers.of),
    timers.rows.map((timer) => timer.id),
    timers.rows.map((timer) => timer.jobId),
    plain(timers.rows.map((timer) => timer.dueAt)),
    bodies(timers.rows.map((timer) => JSON.stringify(timer.cause))),
    plain(clear.of),
    clear.rows,
    plain(events.of),
    events.rows.map((event) => event.child),
    plain(events.rows.map((event) => event.seq)),
    plain(events.rows.map((event) => event.at)),
    events.rows.map((event) => event.type),
    events.rows.map((event) => columnText(event.state)),
    bodies(events.rows.map((event) => JSON.stringify(event.data))),
    plain(children.of),
    spawned.map(({ job }) => job.id),
    spawned.map(({ job }) => columnText(job.client)),
    spawned.map(({ job }) => job.blueprint),
    plain(spawned.map(({ job }) => job.version)),
    spawned.map(({ job }) => job.status),
    spawned.map(({ job }) => columnList(labelsOf(job))),
    plain(spawned.map(({ job }) => job.createdAt)),
    plain(spawned.map(({ job }) => job.wakeAt)),
    bodies(spawned.map(({ job }) => bodyOfJob(job))),
    plain(spawned.map(({ events }) => firstSeq(events))),
    plain(spawned.map(({ events }) => lastSeq(events))),
    plain(records.of),
    records.rows.map((record) => columnText(record.kind)),
    records.rows.map((record) => columnText(record.id)),
    records.rows.map((record) => (record.owner === null ? null : columnKey(record.owner))),
    records.rows.map((record) => (record.ref === null ? null : columnKey(record.ref))),
    plain(records.rows.map((record) => record.dueAt)),
    plain(records.rows.map((record) => record.expiresAt)),
    bodies(records.rows.map(recordBody)),
    earliest(changes.flatMap(instantsOf)),
  ]
  const { rows } = await pool.query<{ verdicts: string[]; lost: string[] | null }>({
    name: 'commit',
    text: `SELECT verdicts, lost FROM tutti.commit(${columns.map(parameter).join(', ')})`,
    values: columns.map((column) => (isBodies(column) ? column.bodies : column)),
  })
  const [answer] = rows
  if (!answer) throw new Error('tutti.commit gave no answer')
  const lost = new Set(answer.lost ?? [])
  return changes.map((change, at) => outcomeOf(answer.verdicts[at], change, lost))
}

/** A list that needs no quoting: pg looks for what to quote in every element, which was a tenth of the engine's time. */
const plain = (values: (number | boolean | null)[]): string => `{${values.map((value) => value ?? 'NULL').join()}}`

/**
 * Texts of JSON travel as one text: JSON writes this character as an escape only. As a list of texts, every quotation mark in them would
 * be escaped here and read again there.
 */
const bodySeparator = '\x1e'
interface Bodies {
  bodies: string
}
const bodies = (texts: string[]): Bodies => ({ bodies: texts.join(bodySeparator) })
const isBodies = (column: unknown): column is Bodies =>
  typeof column === 'object' && column !== null && 'bodies' in column
const parameter = (column: unknown, at: number): string =>
  isBodies(column) ? `string_to_array($${at + 1}, E'\\x1e')` : `$${at + 1}`

const bodyOf = ({ jobId, client, skill, params, concurrencyKey, fairKey, trace }: Task): string =>
  JSON.stringify({ jobId, client, skill, params, concurrencyKey, fairKey, trace } satisfies TaskBody)

const firstSeq = (events: JobEvent[]): number | null => events[0]?.seq ?? null
const lastSeq = (events: JobEvent[]): number | null => events.at(-1)?.seq ?? null

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
