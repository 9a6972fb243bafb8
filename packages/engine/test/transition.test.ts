/** The core, cause by cause. */
import { isTerminal } from '@tutti/contracts'
import { describe, expect, test } from 'vitest'
import type { Cause } from '../src/job/cause.ts'
import {
  acted,
  anEnv,
  approval,
  dispatch,
  failed,
  fresh,
  limits,
  openTasks,
  parallel,
  result,
  startedAt,
  states,
  step,
  taskOf,
  threw,
} from './core.ts'

const lost = (taskId: string, attempt: number, reason: 'lease_expired' | 'timed_out' = 'lease_expired'): Cause => ({
  type: 'task_lost',
  taskId,
  attempt,
  worker: 'w',
  reason,
})

const childEnded = (childId: string, status: string): Cause => ({
  type: 'child_ended',
  childId,
  status,
  output: { pages: 3 },
  error: status === 'finished' ? null : { code: 'X', message: 'x' },
})

describe('a single task', () => {
  test('a success goes along its route and becomes data', () => {
    const job = states.task()
    const done = step(job, result(taskOf(job), { data: { pages: 3 } }))
    expect(done.job).toMatchObject({ state: 'next', status: 'running', data: { pages: 3 }, waiting: null })
    expect(done.job.last).toEqual({ status: 'success', data: { pages: 3 }, error: null })
    expect(done.change.close).toEqual([taskOf(job)])
    expect(done.events).toEqual(['task_finished', 'state_entered'])
  })

  test('an answer that is no object is only seen as the last one', () => {
    const job = states.task()
    for (const data of [[1], 'text', 7, null]) {
      const done = step(job, result(taskOf(job), { data }))
      expect([done.job.data, done.job.last?.data]).toEqual([{}, data])
    }
  })

  test('a key __proto__ in an answer is data, not a prototype', () => {
    const job = states.task()
    const data = JSON.parse('{"__proto__": {"admin": true}}')
    const done = step(job, result(taskOf(job), { data }))
    expect('admin' in done.job.data).toBe(false)
    expect(JSON.stringify(done.job.data)).toBe('{"__proto__":{"admin":true}}')
  })

  test.each(['TRANSIENT_ERROR', 'SOMETHING_ELSE', 'constructor', '__proto__'])('%s is tried again, later', (code) => {
    const job = states.task()
    const done = step(job, failed(taskOf(job), code))
    expect(done.change.requeue).toEqual([{ taskId: taskOf(job), attempt: 2, visibleAt: startedAt + 750 }])
    expect(done.job).toMatchObject({ status: 'waiting_for_worker', state: 'start' })
    expect(done.events).toEqual(['task_failed', 'task_retried'])
  })

  test.each([
    ['PERMANENT_ERROR', 'quarantined', 'Task failed with permanent error: no luck'],
    ['INVALID_INPUT_ERROR', 'failed', 'Task failed due to invalid input: no luck'],
  ])('%s without a route ends the job as %s', (code, status, message) => {
    const job = step(fresh(), dispatch({ success: 'next' })).job
    const done = step(job, failed(taskOf(job), code))
    expect(done.job).toMatchObject({ status, error: { code, message } })
    expect(done.change.close).toEqual([taskOf(job)])
    const routed = states.task()
    expect(step(routed, failed(taskOf(routed), code)).job).toMatchObject({ status: 'running', state: 'mend' })
  })

  test('when all tries are used up the failure counts', () => {
    let job = step(fresh(), dispatch({ success: 'next' })).job
    for (const attempt of [1, 2]) job = step(job, failed(taskOf(job), 'TRANSIENT_ERROR', attempt)).job
    const done = step(job, failed(taskOf(job), 'TRANSIENT_ERROR', 3))
    expect(done.job).toMatchObject({
      status: 'quarantined',
      error: { code: 'TRANSIENT_ERROR', message: 'Task failed after 3 attempts: no luck' },
    })
  })

  test('the tries of the blueprint win, those it leaves out are the engine’s', () => {
    const retry = { attempts: null, backoff: 'fixed', initialMs: 10, maxMs: 10, elsewhere: false } as const
    const left = step(fresh(), dispatch({}, { retry })).job
    const own = step(fresh(), dispatch({}, { retry: { ...retry, attempts: 1 } })).job
    expect(left.waiting).toMatchObject({ task: { retry: { attempts: 3, initialMs: 10 } } })
    expect(step(own, failed(taskOf(own))).job.status).toBe('quarantined')
  })

  test('a lost lease is a failed try, and says why', () => {
    const job = states.task()
    const done = step(job, lost(taskOf(job), 1, 'timed_out'))
    expect(done.change.requeue).toHaveLength(1)
    expect(done.change.events[0]).toMatchObject({ type: 'task_lost', data: { reason: 'timed_out', attempt: 1 } })
  })

  test('a status of the worker’s own goes its route; one without ends the job', () => {
    const job = step(fresh(), dispatch({ success: 'next', needs_review: 'review' })).job
    expect(step(job, result(taskOf(job), { status: 'needs_review' })).job.state).toBe('review')
    for (const status of ['unknown', 'constructor', 'toString', '__proto__'])
      expect(step(job, result(taskOf(job), { status })).job).toMatchObject({
        status: 'failed',
        error: { code: 'UNHANDLED_STATUS' },
      })
    expect(step(job, result(taskOf(job), { status: 'cancelled' })).job.status).toBe('cancelled')
  })
})

describe('a fan-out', () => {
  test('results come in the order of the tasks, whatever the order of the answers', () => {
    let job = step(fresh(), parallel(3)).job
    const ids = openTasks(job)
    for (const at of [2, 0, 1]) job = step(job, result(ids[at] ?? '', { data: { at } })).job
    expect(job).toMatchObject({ state: 'join', status: 'running', results: [{ at: 0 }, { at: 1 }, { at: 2 }] })
    expect(job.last).toEqual({ status: 'success', data: { done: 3, failed: 0 }, error: null })
  })

  test('a branch that failed for good is null in the results, and the others count', () => {
    let job = step(fresh(), parallel(2)).job
    const [a, b] = openTasks(job)
    job = step(job, failed(a ?? '', 'PERMANENT_ERROR')).job
    expect(job.status).toBe('waiting_for_parallel')
    job = step(job, result(b ?? '', { data: 'b' })).job
    expect(job).toMatchObject({ state: 'join', results: [null, 'b'], last: { status: 'failure' } })
  })

  test('fail fast goes on at the first failure and closes the others', () => {
    const job = step(fresh(), parallel(3, { failFast: true })).job
    const [a, b, c] = openTasks(job)
    const done = step(job, failed(b ?? '', 'PERMANENT_ERROR'))
    expect(done.job.state).toBe('join')
    expect([...done.change.close].sort()).toEqual([a, b, c].sort())
    expect(step(done.job, result(a ?? '')).verdict).toBe('stale')
  })

  test('no more are open than the cap allows, and each end opens the next', () => {
    let job = step(fresh(), parallel(4, { concurrency: 2 })).job
    expect(openTasks(job)).toHaveLength(2)
    const done = step(job, result(taskOf(job)))
    expect(done.change.enqueue).toHaveLength(1)
    job = done.job
    expect(openTasks(job)).toHaveLength(2)
  })

  test('a fan-out of nothing goes on at once', () => {
    const done = step(fresh(), parallel(0))
    expect(done.job).toMatchObject({ state: 'join', status: 'running', results: [] })
    expect(done.change.enqueue).toEqual([])
  })
})

describe('ends', () => {
  test.each(['task', 'parallel', 'approval', 'child', 'retrying', 'running'] as const)(
    'cancelled while %s: everything that was open goes',
    (state) => {
      const job = states[state]()
      const done = step(job, { type: 'cancel', by: 'me', reason: 'enough' })
      expect(done.job).toMatchObject({ status: 'cancelled', waiting: null, wakeAt: null, finishedAt: startedAt })
      expect(done.job.error).toEqual({ code: 'CANCELLED', message: 'enough' })
      expect(done.change.close).toEqual(openTasks(job))
      expect(done.events).toEqual(['cancel_requested', 'job_cancelled'])
      const cancels = done.change.setTimers.filter((timer) => timer.cause.type === 'cancel')
      expect(cancels.map((timer) => timer.jobId)).toEqual(state === 'child' ? ['id-1'] : [])
    },
  )

  test('a parent is told of every end, with output and error', () => {
    const job = fresh({ parentId: 'parent' })
    const done = step(job, acted({ kind: 'finish', output: { pages: 3 } }))
    expect(done.change.setTimers).toEqual([
      {
        id: 'job:ended',
        jobId: 'parent',
        dueAt: startedAt,
        cause: { type: 'child_ended', childId: 'job', status: 'finished', output: { pages: 3 }, error: null },
      },
    ])
  })

  test('a deadline is cleared with the job', () => {
    const done = step(fresh({ deadlineAt: 1 }), acted({ kind: 'finish', output: null }))
    expect(done.change.clearTimers).toContain('job:deadline')
  })

  test('a child’s success is data of its parent; a failure without a route fails it', () => {
    const job = states.child()
    const good = step(job, childEnded('id-1', 'finished'))
    expect(good.job).toMatchObject({ state: 'next', data: { pages: 3 } })
    expect(good.change.setTimers).toEqual([])
    for (const status of ['failed', 'cancelled', 'quarantined', 'error'])
      expect(step(job, childEnded('id-1', status)).job).toMatchObject({
        status: 'failed',
        error: { code: 'CHILD_FAILED' },
      })
  })

  test('a handler that throws is tried again a few times, then its job is set aside; a faulty blueprint at once', () => {
    let job = fresh()
    for (const attempt of [1, 2]) {
      job = step(job, threw()).job
      expect(job).toMatchObject({ status: 'awaiting_retry', attempt })
      expect(job.wakeAt).toBeGreaterThan(startedAt)
    }
    expect(step(job, threw()).job.status).toBe('quarantined')
    expect(step(fresh(), threw(false)).job.status).toBe('error')
  })

  test('a blueprint that goes in circles ends, and what it had opened goes with it', () => {
    const env = anEnv({ limits: { ...limits, maxTransitions: 3 } })
    let job = fresh()
    for (let at = 0; at < 3; at += 1) job = step(job, acted({ kind: 'go_to', to: 'start', data: null }), env).job
    const done = step(job, acted({ kind: 'go_to', to: 'start', data: null }), env)
    expect(done.job).toMatchObject({ status: 'failed', error: { code: 'TRANSITION_LIMIT' } })
    expect(isTerminal(done.job.status)).toBe(true)
  })
})

describe('approvals', () => {
  const decide = (decision: string): Cause => ({ type: 'approval', decision, by: 'me', comment: 'fine' })

  test('a decision goes its route, is noted, and stops the clock', () => {
    const done = step(states.approval(), decide('yes'))
    expect(done.job).toMatchObject({ state: 'next', last: { status: 'yes', data: { by: 'me', comment: 'fine' } } })
    expect(done.change.clearTimers).toEqual(['job:approval:0', 'job:escalation:0:0'])
  })

  test.each(['maybe', 'timeout', 'constructor', '__proto__', 'toString', ''])('%j is no decision', (decision) => {
    expect(step(states.approval(), decide(decision)).verdict).toBe('invalid_decision')
  })

  test('nobody decides: the route for that, or the end', () => {
    expect(step(states.approval(), { type: 'approval_timeout', timerId: 'job:approval:0' }).job.state).toBe('late')
    const done = step(step(fresh(), approval({ timeoutMs: 5 })).job, {
      type: 'approval_timeout',
      timerId: 'job:approval:0',
    })
    expect(done.job).toMatchObject({ status: 'failed', error: { code: 'APPROVAL_TIMEOUT' } })
  })
})
