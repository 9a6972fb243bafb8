/** The core against a small model, over random blueprints and causes. */
import { isTerminal } from '@tutti/contracts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Action } from '../src/blueprint/action.ts'
import type { Cause } from '../src/job/cause.ts'
import type { Job } from '../src/job/job.ts'
import type { Change } from '../src/store/port.ts'
import { changeOf, type Draft, draftOf } from '../src/transition/draft.ts'
import { transition } from '../src/transition/transition.ts'
import { anEnv, aSpec, fresh, startedAt } from './core.ts'

const limits = { taskAttempts: 3, taskTimeoutMs: 1_000, handlerAttempts: 3, maxTransitions: 15 }
const stateName = fc.constantFrom('a', 'b', 'c')
const retry = fc.option(
  fc.record({
    attempts: fc.option(fc.integer({ min: 1, max: 4 })),
    backoff: fc.constantFrom('fixed' as const, 'exponential' as const),
    initialMs: fc.integer({ min: 0, max: 100 }),
    maxMs: fc.integer({ min: 0, max: 1_000 }),
  }),
)
const spec = retry.map((each) => aSpec({ retry: each }))
const on = fc.dictionary(fc.constantFrom('success', 'failure', 'cancelled', 'own', 'yes', 'timeout'), stateName, {
  maxKeys: 4,
})

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('go_to' as const), to: stateName, data: fc.constant(null) }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('dispatch' as const), task: spec, on }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('parallel' as const),
      tasks: fc.array(spec, { maxLength: 6 }),
      into: stateName,
      failFast: fc.boolean(),
      concurrency: fc.option(fc.integer({ min: 1, max: 3 })),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('approval' as const),
      message: fc.constant('?'),
      on,
      timeoutMs: fc.option(fc.integer({ min: 0, max: 1_000 })),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('run_blueprint' as const),
      blueprint: fc.constant('child'),
      version: fc.constant(1),
      start: fc.constant('s'),
      input: fc.constant({}),
      on,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('finish' as const), output: fc.constant(null) }) },
)

/** What happens next, as far as it can be said before the job is known: which task, how it came out. */
interface Move {
  pick: number
  what:
    | 'answer'
    | 'lose'
    | 'old'
    | 'wake'
    | 'throw'
    | 'decide'
    | 'expire'
    | 'child'
    | 'cancel'
    | 'deadline'
    | 'progress'
  status: string
  code: string
  action: Action
}
const move: fc.Arbitrary<Move> = fc.record({
  pick: fc.nat({ max: 9 }),
  what: fc.oneof(
    { weight: 12, arbitrary: fc.constant('answer' as const) },
    { weight: 4, arbitrary: fc.constantFrom('lose' as const, 'old' as const, 'wake' as const) },
    {
      weight: 2,
      arbitrary: fc.constantFrom(
        'throw' as const,
        'decide' as const,
        'expire' as const,
        'child' as const,
        'progress' as const,
      ),
    },
    { weight: 1, arbitrary: fc.constantFrom('cancel' as const, 'deadline' as const) },
  ),
  status: fc.constantFrom('success', 'success', 'failure', 'failure', 'cancelled', 'own', 'constructor'),
  code: fc.constantFrom('TRANSIENT_ERROR', 'TRANSIENT_ERROR', 'PERMANENT_ERROR', 'INVALID_INPUT_ERROR', 'toString'),
  action,
})

/** All that a reader of changes can know: the tasks in the queue with their try, and the log. */
interface Model {
  tasks: Map<string, { attempt: number; attempts: number }>
  everOpened: Map<string, number>
  seq: number
}

const causesOf = (job: Job, model: Model, { pick, what, status, code, action: next }: Move): Cause[] => {
  const ids = [...model.tasks.keys(), 'no-such-task']
  const taskId = ids[pick % ids.length] ?? ''
  const attempt = model.tasks.get(taskId)?.attempt ?? 1
  const common = { taskId, worker: 'w' }
  switch (what) {
    case 'answer':
    case 'old': {
      const error = status === 'failure' ? { code, message: 'm' } : null
      const tried = what === 'old' ? attempt - 1 : attempt
      return [{ type: 'task_result', ...common, attempt: tried, status, data: taskId, error, durationMs: null }]
    }
    case 'lose':
      return [{ type: 'task_lost', ...common, attempt, reason: pick % 2 ? 'timed_out' : 'lease_expired' }]
    case 'progress':
      return [{ type: 'progress', taskId, progress: 0.5, message: null }]
    case 'wake':
      return [{ type: 'wake', rev: job.rev - (pick % 2) }]
    case 'throw':
      return [{ type: 'threw', rev: job.rev - (pick % 2), error: { code: 'X', message: 'm' }, retryable: pick > 1 }]
    case 'decide':
      return [{ type: 'approval', decision: pick % 2 ? 'yes' : 'timeout', by: 'me', comment: null }]
    case 'expire': {
      const timerId = job.waiting?.kind === 'approval' ? (job.waiting.timerId ?? 'none') : 'none'
      return [{ type: 'approval_timeout', timerId }]
    }
    case 'child': {
      const childId = job.waiting?.kind === 'child' ? job.waiting.childId : 'none'
      return [{ type: 'child_ended', childId, status: pick % 2 ? 'finished' : 'failed', output: null, error: null }]
    }
    case 'cancel':
      return [{ type: 'cancel', by: 'me', reason: null }]
    case 'deadline':
      return [{ type: 'deadline' }]
    default:
      return [{ type: 'acted', rev: null, action: next }]
  }
}

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
}

const openOf = ({ waiting }: Job) => {
  if (waiting?.kind === 'task') return [waiting.task]
  if (waiting?.kind !== 'parallel') return []
  return waiting.branches.filter((branch) => branch.status === 'open').map((branch) => branch.task)
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
  const waits = {
    task: 'waiting_for_worker',
    parallel: 'waiting_for_parallel',
    approval: 'waiting_for_human',
    child: 'waiting_for_child',
  }
  if (job.waiting) expect(job.status).toBe(waits[job.waiting.kind])
  else expect(Object.values(waits)).not.toContain(job.status)
  expect(job.transitions).toBeLessThanOrEqual(limits.maxTransitions + 1)
  if (isTerminal(job.status)) expect([job.waiting, job.wakeAt, job.finishedAt]).toEqual([null, null, startedAt])
  if (job.status === 'awaiting_retry') expect(job.wakeAt).not.toBeNull()
}

/** The job and all that the change brings so far. */
const brought = ({ env: _, ...rest }: Draft) => structuredClone(rest)

/** Applies several causes to one draft, as the inbox does, and the actions of handlers that follow from them. */
const run = (job: Job, model: Model, moves: Move[], env: ReturnType<typeof anEnv>): Job => {
  const draft = draftOf(job, env)
  for (const each of moves) {
    const before = brought(draft)
    for (const cause of causesOf(draft.job, model, each)) {
      const wasTerminal = isTerminal(draft.job.status)
      const verdict = transition(draft, cause)
      if (wasTerminal) expect(verdict).toBe('terminal')
      if (each.what === 'old') expect(verdict).not.toBe('applied')
      if (verdict !== 'applied') expect(brought(draft)).toEqual(before)
    }
  }
  for (const each of moves) {
    const { status, waiting } = draft.job
    if (isTerminal(status) || waiting !== null || status === 'awaiting_retry') break
    transition(draft, { type: 'acted', rev: null, action: each.action })
  }
  const change = changeOf(draft, [], [], [])
  expect(change.job.rev).toBe(job.rev + 1)
  note(model, change)
  holds(change.job, model)
  return change.job
}

const play = (batches: Move[][]): { job: Job; model: Model } => {
  const env = { ...anEnv(), limits, newId: () => crypto.randomUUID() }
  let job = fresh({ parentId: 'parent' })
  const model: Model = { tasks: new Map(), everOpened: new Map(), seq: 0 }
  for (const moves of batches) job = run(job, model, moves, env)
  return { job, model }
}

test('whatever happens, the queue holds what the job waits for, the log has no gap, and an end is final', () => {
  fc.assert(
    fc.property(fc.array(fc.array(move, { minLength: 1, maxLength: 4 }), { maxLength: 40 }), (batches) => {
      play(batches)
    }),
    { numRuns: 1_500 },
  )
})

test('results of a fan-out are in the order of its tasks, whatever the order and the tries', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ order: fc.nat(), failures: fc.nat({ max: 3 }) }), { minLength: 1, maxLength: 8 }),
      fc.option(fc.integer({ min: 1, max: 3 })),
      (branches, concurrency) => {
        const env = { ...anEnv(), limits }
        const step = (job: Job, cause: Cause): Job => {
          const draft = draftOf(job, env)
          expect(transition(draft, cause)).toBe('applied')
          return changeOf(draft, [], [], []).job
        }
        const tasks = branches.map(() => aSpec())
        let job = step(fresh(), {
          type: 'acted',
          rev: null,
          action: { kind: 'parallel', tasks, into: 'join', failFast: false, concurrency },
        })
        const ids = job.waiting?.kind === 'parallel' ? job.waiting.branches.map((branch) => branch.task.id) : []
        while (job.waiting) {
          const open = openOf(job).map((task) => ({ task, at: ids.indexOf(task.id) }))
          const [next] = open.sort((a, b) => (branches[a.at]?.order ?? 0) - (branches[b.at]?.order ?? 0))
          if (!next) throw new Error('a fan-out that waits has open tasks')
          const fails = next.task.attempt <= (branches[next.at]?.failures ?? 0)
          job = step(job, {
            type: 'task_result',
            taskId: next.task.id,
            attempt: next.task.attempt,
            worker: 'w',
            status: fails ? 'failure' : 'success',
            data: fails ? null : next.at,
            error: null,
            durationMs: null,
          })
        }
        expect(job.results).toEqual(branches.map(({ failures }, at) => (failures >= limits.taskAttempts ? null : at)))
      },
    ),
    { numRuns: 300 },
  )
})
