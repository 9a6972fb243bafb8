/** Writes changes as the flat list of arguments that commit.lua reads. What both must agree on stands here, row by row. */
import { isTerminal } from '@tutti/contracts'
import {
  type Change,
  type CommitOutcome,
  type Job,
  type JobEvent,
  labelsOf,
  type Task,
  type Timer,
} from '@tutti/engine'
import { bodyOfJob } from '../job-body.ts'
import { recordArguments } from './records.ts'
import type { Run } from './scripts.ts'
import { nameText, orEmpty, priorityText } from './text.ts'

type Arguments = (string | number)[]

/** Of a task: what no commit changes later. */
export type TaskBody = Omit<Task, 'attempt' | 'visibleAt' | 'queue' | 'pickupBy'>

/** The name and version of a blueprint; `kindText('x')` is the beginning of all versions of it. */
export const kindText = (blueprint: string, version: number | '' = ''): string => `${nameText(blueprint)}@${version}`

export const commit = async (run: Run, changes: Change[]): Promise<CommitOutcome[]> => {
  if (changes.length === 0) return []
  const args: Arguments = [changes.length]
  for (const change of changes) changeArguments(args, change)
  const verdicts = await run<string[]>('commit', args)
  return changes.map((change, at) => outcomeOf(verdicts[at] ?? '', change))
}

const list = <T>(args: Arguments, items: T[], write: (args: Arguments, item: T) => void): void => {
  args.push(items.length)
  for (const item of items) write(args, item)
}
const name = (args: Arguments, text: string): void => {
  args.push(nameText(text))
}

const changeArguments = (args: Arguments, change: Change): void => {
  jobArguments(args, change.job, change.events)
  list(args, change.fences, (to, [taskId, token]) => to.push(nameText(taskId), token))
  list(args, change.answered, name)
  list(args, change.requeue, (to, again) =>
    to.push(nameText(again.taskId), again.attempt, again.visibleAt, orEmpty(again.queue), orEmpty(again.pickupBy)),
  )
  list(args, change.close, name)
  list(args, change.enqueue, taskArguments)
  list(args, change.clearTimers, name)
  list(args, change.setTimers, timerArguments)
  list(args, change.spawn, (to, child) => {
    jobArguments(to, child.job, child.events)
    list(to, child.timers, timerArguments)
  })
  list(args, change.records, (to, record) => to.push(...recordArguments(record)))
}

const jobArguments = (args: Arguments, job: Job, events: JobEvent[]): void => {
  args.push(
    nameText(job.id),
    job.rev,
    nameText(job.client),
    kindText(job.blueprint, job.version),
    job.status,
    isTerminal(job.status) ? (job.finishedAt ?? job.updatedAt) : '',
    job.createdAt,
    orEmpty(job.wakeAt),
  )
  list(args, labelsOf(job), name)
  args.push(bodyOfJob(job))
  list(args, events, (to, event) => to.push(JSON.stringify(event)))
}

const taskArguments = (args: Arguments, task: Task): void => {
  const { attempt, visibleAt, queue, pickupBy, ...body } = task
  args.push(
    nameText(task.id),
    nameText(task.jobId),
    nameText(task.client),
    nameText(queue),
    priorityText(task.priority),
    nameText(task.fairKey),
    orEmpty(task.concurrencyKey),
    task.concurrencyLimit,
    attempt,
    visibleAt,
    orEmpty(pickupBy),
    orEmpty(task.timeoutMs),
    JSON.stringify(body satisfies TaskBody),
  )
}

const timerArguments = (args: Arguments, timer: Timer): void => {
  args.push(nameText(timer.id), nameText(timer.jobId), timer.dueAt, JSON.stringify(timer.cause))
}

const outcomeOf = (verdict: string, change: Change): CommitOutcome => {
  const [word, ...lost] = verdict.split(' ')
  switch (word) {
    case 'accepted':
      return { accepted: true }
    case 'exists':
    case 'stale':
      return { accepted: false, reason: word }
    case 'fenced':
      return { accepted: false, reason: 'fenced', tasks: lost.map((at) => change.fences[Number(at)]?.[0] ?? '') }
    default:
      throw new Error(`commit.lua answered ${verdict}`)
  }
}
