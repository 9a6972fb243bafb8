/** A small model of what readers of changes can know, and the core played against it. */
import { isTerminal } from '@tutti/contracts'
import { expect } from 'vitest'
import type { Cause } from '../src/job/cause.ts'
import { isTaskBranch, type Job, type JobEvent } from '../src/job/job.ts'
import { knowledgeOf, stateAt } from '../src/job/state-at.ts'
import { restingStatus } from '../src/job/status.ts'
import type { Change } from '../src/store/port.ts'
import { changeOf, type Draft, draftOf } from '../src/transition/draft.ts'
import { transition } from '../src/transition/transition.ts'
import { anEnv, fresh, startedAt } from './core.ts'
import { limits, type Move } from './transition-moves.ts'

/** All that a reader of changes can know: the tasks in the queue with their try, and the log. */
interface Model {
  tasks: Map<string, { attempt: number; attempts: number }>
  everOpened: Map<string, number>
  seq: number
  timers: Map<string, number>
  log: JobEvent[]
}

const causesOf = (job: Job, model: Model, { pick, what, status, code, action: next, undo }: Move): Cause[] => {
  const ids = [...model.tasks.keys(), 'no-such-task']
  const taskId = ids[pick % ids.length] ?? ''
  const attempt = model.tasks.get(taskId)?.attempt ?? 1
  const common = { taskId, worker: 'w' }
  switch (what) {
    case 'answer':
    case 'old': {
      const error = status === 'failure' ? { code, message: 'm' } : null
      const tried = what === 'old' ? attempt - 1 : attempt
      return [
        { type: 'task_result', ...common, attempt: tried, status, data: dataOf(pick, taskId), error, durationMs: null },
      ]
    }
    case 'lose':
      return [{ type: 'task_lost', ...common, attempt, reason: reasons[pick % 3] ?? 'timed_out' }]
    case 'progress':
      return [{ type: 'progress', taskId, progress: 0.5, message: null }]
    case 'wake':
      return [{ type: 'wake', wakeAt: (job.wakeAt ?? 0) - (pick % 2) }]
    case 'throw':
      return [{ type: 'threw', lease: pick % 2 ? -1 : null, error: { code: 'X', message: 'm' }, retryable: pick > 1 }]
    case 'decide':
      return [{ type: 'approval', decision: pick % 2 ? 'yes' : 'timeout', by: 'me', comment: null }]
    case 'expire': {
      const timerId = job.waiting?.kind === 'approval' ? (job.waiting.timerId ?? 'none') : 'none'
      return [{ type: 'approval_timeout', timerId }]
    }
    case 'child': {
      const childId = job.waiting?.kind === 'child' ? job.waiting.childId : 'none'
      return [
        { type: 'child_ended', childId, status: pick % 2 ? 'finished' : 'failed', output: { out: pick }, error: null },
      ]
    }
    case 'escalate': {
      const [step, at] = job.waiting?.kind === 'approval' ? [job.waiting.escalated, job.waiting.escalate] : [0, []]
      return [{ type: 'approval_escalation', step, at: at[step]?.at ?? 0 }]
    }
    case 'signal':
      return [{ type: 'signal', id: `s-${pick}`, name: pick % 2 ? 'paid' : 'shipped', data: { pick } }]
    case 'expire event':
    case 'wake up': {
      const timerId = job.waiting?.kind === 'event' || job.waiting?.kind === 'sleep' ? job.waiting.timerId : null
      return [{ type: what === 'wake up' ? 'sleep_over' : 'event_timeout', timerId: timerId ?? 'none' }]
    }
    case 'worker event':
      return [{ type: 'worker_event', id: null, ...common, name: pick % 2 ? 'own' : 'seen', data: { seen: pick } }]
    case 'result deadline':
      return [{ type: 'result_deadline', taskId }]
    case 'pause':
    case 'resume':
      return [{ type: what, by: 'me' }]
    case 'update':
      return [{ type: 'update', by: 'me', changes: { priority: pick } }]
    case 'migrate':
      return [{ type: 'migrate', by: 'me', version: pick, state: pick % 2 ? 'a' : null, states: ['a', 'b', 'start'] }]
    case 'cancel':
      return [{ type: 'cancel', by: 'me', reason: null }]
    case 'deadline':
      return [{ type: 'deadline' }]
    default:
      return [{ type: 'acted', lease: null, action: next, undo }]
  }
}

const reasons = ['timed_out', 'lease_expired', 'not_picked_up'] as const
/** An object becomes data, anything else does not. */
const dataOf = (pick: number, taskId: string) => (pick % 2 ? taskId : { x: pick, [`from-${pick}`]: taskId })

const note = (model: Model, change: Change): void => {
  const { job } = change
  for (const event of change.events) {
    model.seq += 1
    expect(event.seq).toBe(model.seq)
  }
  expect(job.seq).toBe(model.seq)
  for (const { taskId, attempt, visibleAt } of change.requeue) {
    const task = model.tasks.get(taskId)
    expect(task).toBeDefined()
    expect(attempt).toBe((task?.attempt ?? 0) + 1)
    expect(attempt).toBeLessThanOrEqual(task?.attempts ?? 0)
    expect(visibleAt).toBeGreaterThanOrEqual(startedAt)
    if (task) task.attempt = attempt
  }
  for (const id of change.close) expect(model.tasks.delete(id)).toBe(true)
  for (const task of change.enqueue) {
    expect(model.everOpened.has(task.id)).toBe(false)
    const open = openOf(job).find((each) => each.id === task.id)
    expect(open).toBeDefined()
    model.tasks.set(task.id, { attempt: task.attempt, attempts: open?.retry.attempts ?? 0 })
    model.everOpened.set(task.id, task.attempt)
  }
  if (isTerminal(job.status)) model.tasks.clear()
  for (const timer of change.setTimers) if (timer.jobId === job.id) model.timers.set(timer.id, timer.dueAt)
  for (const id of change.clearTimers) model.timers.delete(id)
  if (isTerminal(job.status)) model.timers.clear()
  model.log.push(...change.events)
}

export const openOf = ({ waiting }: Job) => {
  if (waiting?.kind === 'task') return [waiting.task]
  if (waiting?.kind !== 'parallel') return []
  return waiting.branches.filter(isTaskBranch).flatMap(({ status, task }) => (status === 'open' ? [task] : []))
}

const timersOf = (job: Job): string[] => {
  const { waiting } = job
  const ids = openOf(job).flatMap((task) => (task.resultBy === null ? [] : [`${task.id}:result`]))
  if (waiting?.kind === 'approval' && waiting.escalated < waiting.escalate.length)
    ids.push(`job:escalation:${job.transitions}:${waiting.escalated}`)
  if (waiting && 'timerId' in waiting && waiting.timerId !== null) ids.push(waiting.timerId)
  return ids
}

const holds = (job: Job, model: Model): void => {
  // What the queue holds is exactly what the job waits for, at the same try.
  const expected = new Map(openOf(job).map((task) => [task.id, task.attempt]))
  expect(new Map([...model.tasks].map(([id, task]) => [id, task.attempt]))).toEqual(expected)
  if (job.waiting?.kind === 'parallel') {
    const { branches, concurrency } = job.waiting
    const open = branches.filter((branch) => branch.status === 'open').length
    if (concurrency !== null) expect(open).toBeLessThanOrEqual(concurrency)
    // A fan-out that waits has something to wait for.
    expect(open).toBeGreaterThan(0)
  }
  if (!isTerminal(job.status)) expect(job.status).toBe(restingStatus(job))
  if (job.waiting) expect(job.wakeAt).toBeNull()
  // What is on the clock is exactly what the job waits for.
  expect(new Set(model.timers.keys())).toEqual(new Set(timersOf(job)))
  expect(job.transitions).toBeLessThanOrEqual(limits.maxTransitions * 2 + 1)
  expect(job.signals.length).toBeLessThanOrEqual(limits.maxSignals)
  // Of what the log tells, everything can be known again.
  expect(stateAt(model.log, model.seq)).toEqual(knowledgeOf(job))
  if (isTerminal(job.status)) expect([job.waiting, job.wakeAt, job.finishedAt]).toEqual([null, null, startedAt])
  if (job.status === 'awaiting_retry') expect(job.wakeAt).not.toBeNull()
}

/** The job and all that the change brings so far. */
const brought = ({ env: _, ...rest }: Draft) => structuredClone(rest)

/** Applies several causes to one draft, as the inbox does, and the actions of handlers that follow from them. */
const run = (job: Job, model: Model, moves: Move[], env: ReturnType<typeof anEnv>): Job => {
  const draft = draftOf(job, env)
  const settled: string[] = []
  for (const each of moves) {
    const before = brought(draft)
    for (const cause of causesOf(draft.job, model, each)) {
      const wasTerminal = isTerminal(draft.job.status)
      const { transitions } = draft.job
      const verdict = transition(draft, cause)
      // The one timer that its own wait outlives.
      if (cause.type === 'approval_escalation' && verdict === 'applied')
        settled.push(`job:escalation:${transitions}:${cause.step}`)
      if (wasTerminal) expect(verdict).toBe('terminal')
      if (each.what === 'old') expect(verdict).not.toBe('applied')
      if (verdict !== 'applied') expect(brought(draft)).toEqual(before)
    }
  }
  for (const each of moves) {
    const { status, waiting } = draft.job
    if (isTerminal(status) || waiting !== null || status === 'awaiting_retry') break
    transition(draft, { type: 'acted', lease: null, action: each.action, undo: each.undo })
  }
  const change = changeOf(draft, [], [], settled)
  expect(change.job.rev).toBe(job.rev + 1)
  note(model, change)
  holds(change.job, model)
  return change.job
}

/** The causes of each batch in one change; what every reader is promised is looked at after each. */
export const play = (batches: Move[][]): { job: Job; model: Model } => {
  const env = { ...anEnv(), limits, newId: () => crypto.randomUUID() }
  let job = fresh({ parentId: 'parent', webhook: { url: 'http://x', events: null } })
  const model: Model = { tasks: new Map(), everOpened: new Map(), seq: 0, timers: new Map(), log: [] }
  for (const moves of batches) job = run(job, model, moves, env)
  return { job, model }
}
