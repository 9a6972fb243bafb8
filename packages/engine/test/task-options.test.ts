/** What a blueprint can ask of a task, as the core turns it into queues, clocks and verdicts. */
import { expect, test } from 'vitest'
import type { TaskSpec } from '../src/blueprint/action.ts'
import { task } from '../src/blueprint/context.ts'
import type { Cause } from '../src/job/cause.ts'
import type { Job } from '../src/job/job.ts'
import { parseQueue } from '../src/job/needs.ts'
import { acted, anEnv, dispatch, failed, fresh, openTasks, parallel, result, startedAt, step, taskOf } from './core.ts'

const routes = { success: 'next', failure: 'mend' }
const begin = (patch: Partial<TaskSpec>, job: Job = fresh()) => step(job, dispatch(routes, patch))
const needsOf = (done: ReturnType<typeof step>) => parseQueue(done.change.enqueue[0]?.queue ?? '').needs
/** The state whose task this worker did. */
const doneBy = (worker: string, job: Job): Job => {
  const waiting = step(job, dispatch()).job
  return step(waiting, result(taskOf(waiting), { worker })).job
}
const lost = (taskId: string, reason: 'lease_expired' | 'not_picked_up', worker = 'w', attempt = 1): Cause => ({
  type: 'task_lost',
  taskId,
  attempt,
  worker,
  reason,
})

test('needs and strategy name the queue; without any it is the skill', () => {
  expect(begin({}).change.enqueue[0]?.queue).toBe('work')
  const spec = task('work', {}, { needs: { properties: { cpu_cores: 4 } }, maxCost: 2, strategy: 'cheapest' })
  expect(parseQueue(begin(spec).change.enqueue[0]?.queue ?? '')).toEqual({
    skill: 'work',
    needs: { properties: { cpu_cores: 4 }, maxCost: 2 },
    strategy: 'cheapest',
  })
})

test('sticky and avoid mean the worker of the last task, or of a state’s; as long as there is none, they mean nothing', () => {
  expect(needsOf(begin({ sticky: true, avoid: 'start' }))).toEqual({})
  const job = doneBy('other', doneBy('first', fresh()))
  expect([job.state, job.workers]).toEqual(['next', { start: ['first'], next: ['other'] }])
  expect(needsOf(begin({ sticky: true }, job))).toEqual({ workers: ['other'] })
  expect(needsOf(begin({ sticky: 'start' }, job))).toEqual({ workers: ['first'] })
  expect(needsOf(begin({ avoid: true, needs: { notWorkers: ['bad'] } }, job))).toEqual({ notWorkers: ['bad', 'other'] })
  for (const state of ['nowhere', 'constructor', '__proto__'])
    expect(needsOf(begin({ sticky: state, avoid: state }, job))).toEqual({})
})

test('after a fan-out sticky means any of its workers; a state’s new tasks forget its old workers', () => {
  let job = step(fresh(), parallel(2)).job
  const [a, b] = openTasks(job)
  job = step(job, result(a ?? '', { worker: 'a' })).job
  job = step(job, result(b ?? '', { worker: 'b' })).job
  expect(needsOf(begin({ sticky: true }, job))).toEqual({ workers: ['a', 'b'] })
  const again = begin({ sticky: 'start' }, { ...job, state: 'start' })
  // The task itself still goes to them.
  expect(needsOf(again)).toEqual({ workers: ['a', 'b'] })
  expect(again.job.workers).toEqual({ start: [] })
})

test('a retry elsewhere keeps off every worker that failed, even the one that was asked for by name', () => {
  const retry = { attempts: 4, backoff: 'fixed', initialMs: 0, maxMs: 0, elsewhere: true } as const
  let done = begin({ retry, needs: { workers: ['w'] } })
  const id = taskOf(done.job)
  const queues: unknown[] = []
  for (const [attempt, worker] of ['w', 'v', 'v'].entries()) {
    done = step(done.job, result(id, { worker, attempt: attempt + 1, status: 'failure' }))
    queues.push(done.change.requeue[0]?.queue && parseQueue(done.change.requeue[0].queue).needs)
  }
  // The third time nothing is new about the queue.
  expect(queues).toEqual([{ notWorkers: ['w'] }, { notWorkers: ['w', 'v'] }, undefined])
})

test('without `elsewhere` a retry stays in its queue', () => {
  const job = begin({}).job
  expect(step(job, failed(taskOf(job))).change.requeue[0]).not.toHaveProperty('queue')
})

test('tries that are lost with their workers are counted apart from those that fail, and have an end of their own', () => {
  const retry = { attempts: 2, backoff: 'fixed', initialMs: 0, maxMs: 0, elsewhere: false } as const
  const ends = (losses: number | undefined, course: ('lost' | 'failed' | 'timed_out')[]): number => {
    let { job } = begin({ retry: losses === undefined ? retry : { ...retry, losses } })
    const id = taskOf(job)
    for (const [at, what] of course.entries()) {
      const attempt = at + 1
      const cause: Cause =
        what === 'failed'
          ? result(id, { attempt, status: 'failure' })
          : { ...(lost(id, 'lease_expired', 'w', attempt) as Cause & { type: 'task_lost' }), ...timedOut[what] }
      job = step(job, cause).job
      if (job.state === 'mend') return attempt
    }
    return 0
  }
  const timedOut = { lost: {}, timed_out: { reason: 'timed_out' as const } }
  expect(ends(undefined, ['lost', 'lost', 'lost'])).toBe(2)
  expect(ends(3, ['lost', 'lost', 'lost', 'lost', 'lost'])).toBe(4)
  expect(ends(3, ['failed', 'lost', 'lost', 'failed', 'lost'])).toBe(4)
  expect(ends(3, ['lost', 'lost', 'lost', 'failed', 'failed'])).toBe(5)
  // Its worker was alive, and the task took too long: that is the task’s own doing.
  expect(ends(3, ['timed_out', 'timed_out'])).toBe(2)
})

test('after the first losses there is no pause, and it grows from the fifth on, and that after a failure with the failures alone', () => {
  const retry = {
    attempts: 3,
    backoff: 'exponential',
    initialMs: 100,
    maxMs: 1_000,
    elsewhere: false,
    losses: 20,
  } as const
  let { job } = begin({ retry })
  const id = taskOf(job)
  const pauses = [...Array.from({ length: 9 }, () => 'lost'), 'failed', 'failed'].map((what, at) => {
    const attempt = at + 1
    const cause = what === 'lost' ? lost(id, 'lease_expired', 'w', attempt) : result(id, { attempt, status: 'failure' })
    const done = step(job, cause, anEnv({ random: () => 1 }))
    job = done.job
    return (done.change.requeue[0]?.visibleAt ?? 0) - startedAt
  })
  expect(pauses).toEqual([0, 0, 0, 100, 200, 400, 800, 1_000, 1_000, 100, 200])
})

test('keys, limits and turns are the task’s; the turn is the client’s by default', () => {
  expect(begin({}).change.enqueue[0]).toMatchObject({ fairKey: 'client', concurrencyLimit: 1, pickupBy: null })
  const spec = task('work', {}, { concurrencyKey: 'k', concurrencyLimit: 4, fairKey: 'tenant' })
  expect(begin(spec).change.enqueue[0]).toMatchObject({ concurrencyKey: 'k', concurrencyLimit: 4, fairKey: 'tenant' })
  for (const wrong of [0, -1, 1.5, Number.NaN])
    expect(() => task('s', {}, { concurrencyLimit: wrong })).toThrow(RangeError)
})

test('nobody picks the task up: it has failed, and no further try can help', () => {
  const begun = begin({ pickupMs: 500 })
  expect(begun.change.enqueue[0]?.pickupBy).toBe(startedAt + 500)
  const id = taskOf(begun.job)
  const routed = step(begun.job, lost(id, 'not_picked_up', ''))
  expect(routed.job).toMatchObject({ state: 'mend', last: { error: { code: 'NOT_PICKED_UP' } }, workers: {} })
  expect([routed.change.requeue, routed.change.close]).toEqual([[], [id]])
  const unrouted = step(fresh(), dispatch({ success: 'next' }, { pickupMs: 500 })).job
  expect(step(unrouted, lost(taskOf(unrouted), 'not_picked_up', '')).job).toMatchObject({
    status: 'failed',
    error: { message: 'Task was not picked up by any worker in time' },
  })
})

test('each try waits anew for a worker', () => {
  const job = begin({ pickupMs: 500 }).job
  const [entry] = step(job, lost(taskOf(job), 'lease_expired')).change.requeue
  expect(entry?.pickupBy).toBe((entry?.visibleAt ?? 0) + 500)
})

test('the result’s deadline is one for all tries, and goes with the task', () => {
  const begun = begin({ resultMs: 1_000 })
  const id = taskOf(begun.job)
  const timer = {
    id: `${id}:result`,
    jobId: 'job',
    dueAt: startedAt + 1_000,
    cause: { type: 'result_deadline', taskId: id },
  }
  expect(begun.change.setTimers).toEqual([timer])
  const retried = step(begun.job, failed(id))
  expect([retried.change.setTimers, retried.change.clearTimers]).toEqual([[], []])
  expect(step(retried.job, result(id, { attempt: 2 })).change.clearTimers).toEqual([`${id}:result`])
  const over = step(retried.job, { type: 'result_deadline', taskId: id })
  expect(over.job).toMatchObject({ state: 'mend', last: { error: { code: 'RESULT_DEADLINE' } } })
  expect(over.change.close).toEqual([id])
})

test('the job’s own limits hold where the blueprint sets none', () => {
  const job = fresh({ dispatchTimeoutMs: 70, resultTimeoutMs: 90 })
  const begun = begin({}, job)
  expect(begun.change.enqueue[0]?.pickupBy).toBe(startedAt + 70)
  expect(begun.change.setTimers[0]?.dueAt).toBe(startedAt + 90)
  expect(begin({ pickupMs: 5, resultMs: 6 }, job).change.enqueue[0]?.pickupBy).toBe(startedAt + 5)
})

test.each([
  ['SECURITY_ERROR', 'quarantined'],
  ['DEPENDENCY_ERROR', 'quarantined'],
  ['CONTRACT_VIOLATION_ERROR', 'quarantined'],
  ['INTEGRITY_MISMATCH_ERROR', 'failed'],
])('%s is final: the job ends as %s', (code, status) => {
  const job = step(fresh(), dispatch({ success: 'next' })).job
  expect(step(job, failed(taskOf(job), code)).job).toMatchObject({ status, error: { code } })
})

test('a worker’s event is noted; with a route it preempts its task, and its data are the job’s', () => {
  const event = (taskId: string, name: string): Cause => ({
    type: 'worker_event',
    id: null,
    taskId,
    worker: 'w',
    name,
    data: { x: 1 },
  })
  const job = step(fresh(), dispatch(routes, {}, { found: 'next' })).job
  const id = taskOf(job)
  const noted = step(job, event(id, 'seen'))
  expect([noted.job.waiting, noted.events]).toEqual([job.waiting, ['worker_event:seen']])
  const taken = step(job, event(id, 'found'))
  expect(taken.job).toMatchObject({
    state: 'next',
    data: { x: 1 },
    last: { status: 'found' },
    workers: { start: ['w'] },
  })
  expect(taken.change.close).toEqual([id])
  expect(step(taken.job, result(id)).verdict).toBe('stale')
  for (const name of ['constructor', '__proto__']) expect(step(job, event(id, name)).job.state).toBe('start')
})

test('a fan-out with a quorum goes on as soon as it has it, and closes the others', () => {
  let job = step(fresh(), parallel(4, { quorum: 2, concurrency: 3 })).job
  const [a, b, c] = openTasks(job)
  job = step(job, result(a ?? '', { data: 'a' })).job
  expect(job.status).toBe('waiting_for_parallel')
  const done = step(job, result(c ?? '', { data: 'c' }))
  expect(done.job).toMatchObject({ state: 'join', results: ['a', null, 'c', null], last: { status: 'success' } })
  expect(done.job.branches.map((branch) => branch.status)).toEqual(['done', 'closed', 'done', 'closed'])
  // The fourth was taken back before anybody saw it, the second is taken from its worker.
  expect(done.change.close).toContain(b)
  expect(done.change.enqueue).toEqual([])
})

test('a quorum that can’t be reached any more fails at once', () => {
  let job = step(fresh(), parallel(3, { quorum: 2 })).job
  const [a, b] = openTasks(job)
  job = step(job, failed(a ?? '', 'PERMANENT_ERROR')).job
  expect(job.status).toBe('waiting_for_parallel')
  const done = step(job, failed(b ?? '', 'PERMANENT_ERROR'))
  expect(done.job).toMatchObject({ state: 'join', last: { status: 'failure', data: { done: 0, failed: 2 } } })
  expect(done.job.branches.map(({ status, error }) => [status, error?.code])).toEqual([
    ['failed', 'PERMANENT_ERROR'],
    ['failed', 'PERMANENT_ERROR'],
    ['closed', undefined],
  ])
})

test('each branch has its own retries and clocks', () => {
  const retry = { attempts: 2, backoff: 'fixed', initialMs: 0, maxMs: 0, elsewhere: false } as const
  const begun = step(fresh(), parallel(2, { patch: { retry, resultMs: 500 } }), anEnv())
  const [a, b] = openTasks(begun.job)
  expect(begun.change.setTimers.map((timer) => timer.id)).toEqual([`${a}:result`, `${b}:result`])
  let job = step(begun.job, failed(a ?? '')).job
  job = step(job, { type: 'result_deadline', taskId: b ?? '' }).job
  expect(openTasks(job)).toEqual([a])
  const done = step(job, result(a ?? '', { attempt: 2, data: 1 }))
  expect(done.job).toMatchObject({ state: 'join', results: [1, null], last: { error: { code: 'RESULT_DEADLINE' } } })
  expect(step(fresh(), acted({ kind: 'go_to', to: 'x', data: null })).job.branches).toEqual([])
})
