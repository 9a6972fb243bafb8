/** Events from outside, sleeping, escalation, pausing, undoing: cause by cause. */
import { describe, expect, test } from 'vitest'
import type { Action } from '../src/blueprint/action.ts'
import type { Cause } from '../src/job/cause.ts'
import type { Job } from '../src/job/job.ts'
import type { WebhookBody } from '../src/job/webhook.ts'
import {
  acted,
  anEnv,
  approval,
  awaitEvent,
  dispatch,
  failed,
  fresh,
  limits,
  result,
  signal,
  startedAt,
  states,
  step,
  taskOf,
  threw,
} from './core.ts'

describe('events from outside', () => {
  test('one that the job waits for is taken, and its data are seen as the last', () => {
    const done = step(states.event(), signal('s-1', 'paid', { sum: 3 }))
    expect(done.job).toMatchObject({
      state: 'next',
      data: {},
      last: { status: 'event', data: { sum: 3 } },
      signals: [],
    })
    expect(done.change.clearTimers).toEqual(['job:event:0'])
    expect(done.events).toEqual(['signal_received', 'signal_consumed', 'state_entered'])
  })

  test('one that comes early is kept; several are taken in their order, those of other names stay', () => {
    let job: Job = fresh()
    for (const [id, name] of [
      ['a', 'paid'],
      ['b', 'shipped'],
      ['c', 'paid'],
    ] as const)
      job = step(job, signal(id, name, id)).job
    expect(job.status).toBe('running')
    job = step(job, awaitEvent()).job
    expect(job).toMatchObject({ state: 'next', last: { data: 'a' } })
    expect(job.signals.map((kept) => kept.id)).toEqual(['b', 'c'])
    job = step(job, awaitEvent()).job
    expect(job).toMatchObject({ last: { data: 'c' } })
    expect(step(job, awaitEvent()).job.status).toBe('waiting_for_event')
  })

  test('one that comes twice counts once, whether it is kept or was taken', () => {
    const kept = step(fresh(), signal('a')).job
    expect(step(kept, signal('a')).verdict).toBe('repeated')
    const taken = step(states.event(), signal('a')).job
    expect(step(taken, signal('a')).verdict).toBe('repeated')
    expect(step(taken, signal('b')).verdict).toBe('applied')
  })

  test('a job keeps only so many, but always takes the one that it waits for', () => {
    let job: Job = fresh()
    for (let at = 0; at < limits.maxSignals; at += 1) job = step(job, signal(`s-${at}`, 'other')).job
    expect(step(job, signal('s-x', 'other')).verdict).toBe('too_many_signals')
    expect(step(step(job, awaitEvent()).job, signal('s-y')).job.state).toBe('next')
  })

  test('none comes: the route for that, or the end; a late time-out changes nothing', () => {
    const expire: Cause = { type: 'event_timeout', timerId: 'job:event:0' }
    expect(step(states.event(), expire).job).toMatchObject({ state: 'late', last: { status: 'timeout' } })
    const unrouted = step(fresh(), awaitEvent(5, { event: 'next' })).job
    expect(step(unrouted, expire).job).toMatchObject({ status: 'failed', error: { code: 'EVENT_TIMEOUT' } })
    const again = step(step(states.event(), signal('a')).job, awaitEvent(5)).job
    expect(step(again, expire).verdict).toBe('stale')
  })
})

test('a sleep is one timer, and goes on where it was told; until an instant that has passed is now', () => {
  const slept = step(fresh(), acted({ kind: 'sleep', to: 'next', ms: 500 }))
  expect(slept.job.status).toBe('sleeping')
  expect(slept.change.setTimers).toMatchObject([{ id: 'job:sleep:0', dueAt: startedAt + 500 }])
  const past = step(fresh(), acted({ kind: 'sleep_until', to: 'next', until: 7 }))
  expect(past.change.setTimers[0]?.dueAt).toBe(7)
  expect(step(slept.job, { type: 'sleep_over', timerId: 'job:sleep:0' }).job.state).toBe('next')
})

describe('approvals that nobody answers', () => {
  const webhook = { url: 'https://example.test/hook', events: null }
  const asked = (events: string[] | null = null) =>
    step(
      fresh({ webhook: { ...webhook, events } }),
      approval({
        timeoutMs: 1_000,
        assignees: ['a@example.test'],
        escalate: [
          { afterMs: 200, to: 'boss' },
          { afterMs: 100, to: 'ops' },
        ],
      }),
    )
  const escalation = (stepNo: number, ms: number): Cause => ({
    type: 'approval_escalation',
    step: stepNo,
    at: startedAt + ms,
  })

  test('are told to one after another, in the order of time, and a decision stops that', () => {
    const begun = asked()
    expect(begun.change.setTimers.map((timer) => [timer.id, timer.dueAt - startedAt])).toEqual([
      ['job:approval:0', 1_000],
      ['job:escalation:0:0', 100],
    ])
    const first = step(begun.job, escalation(0, 100))
    expect(first.change.events.map((event) => [event.type, event.data.to])).toEqual([['approval_escalated', 'ops']])
    expect(first.change.setTimers).toMatchObject([{ id: 'job:escalation:0:1', dueAt: startedAt + 200 }])
    expect(step(first.job, escalation(0, 100)).verdict).toBe('stale')
    const second = step(first.job, escalation(1, 200))
    expect(second.change.setTimers).toEqual([])
    const decided = step(first.job, { type: 'approval', decision: 'yes', by: 'me', comment: null })
    expect(decided.change.clearTimers).toEqual(['job:approval:0', 'job:escalation:0:1'])
  })

  test('the webhook hears of the request, each escalation and the end, each delivery under an id of its own', () => {
    const begun = asked()
    const told = step(begun.job, escalation(0, 100))
    const ended = step(told.job, { type: 'cancel', by: 'me', reason: null })
    const records = [begun, told, ended].flatMap(({ change }) => change.records)
    expect(records.map(({ body }) => (body as unknown as WebhookBody).event)).toEqual([
      'approval_requested',
      'approval_escalated',
      'job_cancelled',
    ])
    expect(records[0]).toMatchObject({
      kind: 'webhook',
      owner: 'client',
      ref: 'job',
      rev: 1,
      dueAt: startedAt,
      expiresAt: null,
    })
    expect(records[0]?.body).toMatchObject({
      url: webhook.url,
      payload: {
        job_id: 'job',
        status: 'waiting_for_human',
        message: 'well?',
        decisions: ['yes'],
        assignees: ['a@example.test'],
      },
      attempts: [],
    })
    const ids = records.map(({ id }) => id)
    expect([...ids].sort()).toEqual(ids)
    expect(new Set(ids).size).toBe(3)
  })

  test('only what was asked for is told', () => {
    expect(asked(['job_finished']).change.records).toEqual([])
    expect(asked(['approval_requested']).change.records).toHaveLength(1)
    const job = step(fresh({ webhook: { ...webhook, events: ['worker_event'] } }), dispatch()).job
    const event: Cause = { type: 'worker_event', id: null, taskId: taskOf(job), worker: 'w', name: 'seen', data: 1 }
    expect(step(job, event).change.records[0]?.body.event).toBe('worker_event:seen')
    const silent = step(fresh(), acted({ kind: 'finish', output: null }))
    expect(silent.change.records).toEqual([])
  })

  test('a job’s end is told with its result, whatever end it is', () => {
    const ends: [Cause, string, string][] = [
      [acted({ kind: 'finish', output: 7 }), 'job_finished', 'finished'],
      [acted({ kind: 'fail', error: { code: 'X', message: 'x' }, output: null }), 'job_failed', 'failed'],
      [threw(false), 'job_failed', 'error'],
    ]
    for (const [cause, event, status] of ends) {
      const { change, job } = step(fresh({ webhook, metadata: { order: 1 } }), cause)
      expect(change.records[0]?.body).toMatchObject({
        event,
        payload: { event, status, result: job.output, error: job.error, metadata: { order: 1 } },
      })
    }
  })
})

describe('pausing', () => {
  const pause: Cause = { type: 'pause', by: 'me' }
  const resume: Cause = { type: 'resume', by: 'me' }

  test.each(['task', 'approval', 'event', 'sleeping', 'child', 'parallel', 'retrying', 'running'] as const)(
    'paused while %s, and resumed: nothing else has changed',
    (state) => {
      const job = states[state]()
      const paused = step(job, pause).job
      expect([paused.status, paused.waiting]).toEqual(['paused', job.waiting])
      const { rev: _, seq: __, updatedAt: ___, ...resumed } = step(paused, resume).job
      expect(job).toMatchObject(resumed)
    },
  )

  test('what comes meanwhile is recorded, up to the state that it leads to', () => {
    const paused = step(states.task(), pause).job
    const done = step(paused, result(taskOf(paused), { data: { pages: 3 } }))
    expect(done.job).toMatchObject({ status: 'paused', state: 'next', data: { pages: 3 }, waiting: null })
    expect(step(done.job, resume).job.status).toBe('running')
    expect(step(step(states.event(), pause).job, signal('a')).job).toMatchObject({ status: 'paused', state: 'next' })
  })

  test('a turn that comes meanwhile passes: resuming runs the handler at once', () => {
    const retrying = states.retrying()
    const paused = step(retrying, pause).job
    const passed = step(paused, { type: 'wake', wakeAt: retrying.wakeAt ?? 0 }).job
    expect([passed.status, passed.wakeAt]).toEqual(['paused', null])
    expect(step(passed, resume).job).toMatchObject({ status: 'running', attempt: 1, wakeAt: null })
  })

  test('a handler that was running when the pause came is heard; its lease is still its fence', () => {
    const running = fresh({ handling: true, wakeAt: startedAt + 50, paused: true, status: 'paused' })
    const action: Action = { kind: 'go_to', to: 'next', data: null }
    expect(step(running, { type: 'acted', lease: startedAt, action }).verdict).toBe('stale')
    const done = step(running, { type: 'acted', lease: startedAt + 50, action })
    expect(done.job).toMatchObject({ state: 'next', status: 'paused', handling: false, wakeAt: null })
  })

  test('a paused job can be cancelled, and its deadline counts', () => {
    const paused = step(states.task(), pause).job
    expect(step(paused, { type: 'cancel', by: 'me', reason: null }).job.status).toBe('cancelled')
    expect(step(paused, { type: 'deadline' }).job.error?.code).toBe('DEADLINE')
  })
})

describe('moving to another version', () => {
  const migrate = (states: string[], state: string | null = null): Cause => ({
    type: 'migrate',
    by: 'me',
    version: 2,
    state,
    states,
  })

  test('a waiting job goes on with what it waits for, if the version knows where that leads', () => {
    const job = states.task()
    const moved = step(job, migrate(['start', 'next', 'mend']))
    expect(moved.job).toMatchObject({ version: 2, waiting: job.waiting })
    expect(step(job, migrate(['start', 'next'])).verdict).toBe('unknown_state')
    expect(step(job, migrate(['next', 'mend'])).verdict).toBe('unknown_state')
  })

  test('into a state of its own choice: what it waited for is closed', () => {
    const job = states.task()
    const moved = step(job, migrate(['anew'], 'anew'))
    expect(moved.job).toMatchObject({ version: 2, state: 'anew', status: 'running' })
    expect(moved.change.close).toEqual([taskOf(job)])
  })

  test('not while a handler runs', () => {
    expect(step(fresh(), migrate(['start'])).verdict).toBe('not_waiting')
    const handling = fresh({ handling: true, wakeAt: startedAt + 50, paused: true, status: 'paused' })
    expect(step(handling, migrate(['start'])).verdict).toBe('not_waiting')
    expect(step(fresh({ paused: true, status: 'paused' }), migrate(['start'])).job.version).toBe(2)
  })
})

describe('undoing', () => {
  const go = (to: string, undo: string | null): Cause => ({
    type: 'acted',
    lease: null,
    action: { kind: 'go_to', to, data: null },
    undo,
  })
  /** Charged and shipped, each by a state that can be undone. */
  const doneTwice = (patch: Partial<Job> = {}): Job =>
    step(step(fresh(patch), go('ship', 'refund')).job, go('tell', 'recall')).job
  const undone = acted({ kind: 'undone' })

  test.each([
    ['cancelled', { type: 'cancel', by: 'me', reason: 'enough' }],
    ['failed', acted({ kind: 'fail', error: { code: 'X', message: 'x' }, output: 7 })],
    ['error', threw(false)],
    ['failed', { type: 'deadline' }],
  ] as [string, Cause][])(
    'a job that is to end as %s walks back first, the newest first, and then ends so',
    (status, cause) => {
      const begun = step(doneTwice({ deadlineAt: startedAt + 9, parentId: 'parent' }), cause)
      expect(begun.job).toMatchObject({
        state: 'recall',
        status: 'running',
        ending: { status, state: 'tell' },
        finishedAt: null,
      })
      expect(begun.change.setTimers).toEqual([])
      expect(begun.change.clearTimers).toContain('job:deadline')
      const next = step(begun.job, undone)
      expect(next.job).toMatchObject({ state: 'refund', undo: [] })
      const ended = step(next.job, undone)
      expect(ended.job).toMatchObject({ status, error: begun.job.ending?.error, output: begun.job.ending?.output })
      // Its parent hears of it once, and only now.
      expect(ended.change.setTimers.map((timer) => timer.cause.type)).toEqual(['child_ended'])
    },
  )

  test('a job that finishes has nothing to undo', () => {
    expect(step(doneTwice(), acted({ kind: 'finish', output: 1 })).job.status).toBe('finished')
  })

  test('only what was done counts: a task that failed leaves nothing to undo, one that succeeded does', () => {
    const asked: Cause = { ...dispatch(), undo: 'refund' } as Cause
    const waiting = step(fresh(), asked).job
    expect(step(waiting, result(taskOf(waiting))).job.undo).toEqual(['refund'])
    expect(step(waiting, failed(taskOf(waiting), 'PERMANENT_ERROR')).job.undo).toEqual([])
    const cancelled = step(waiting, { type: 'cancel', by: 'me', reason: null })
    expect(cancelled.job.status).toBe('cancelled')
    expect(cancelled.change.close).toEqual([taskOf(waiting)])
  })

  test('it waits and retries as any state; when that fails for good, both errors are told', () => {
    let job = step(doneTwice(), threw(false)).job
    job = step(job, threw()).job
    expect(job).toMatchObject({ status: 'awaiting_retry', state: 'recall' })
    job = step(job, { type: 'wake', wakeAt: job.wakeAt ?? 0 }).job
    job = step(job, dispatch({ success: 'more' })).job
    expect(step(job, { type: 'cancel', by: 'me', reason: null }).verdict).toBe('ending')
    expect(step(job, { type: 'deadline' }).verdict).toBe('ending')
    const ended = step(job, failed(taskOf(job), 'PERMANENT_ERROR'))
    expect(ended.job).toMatchObject({ status: 'quarantined', error: { code: 'UNDO_FAILED' }, ending: null })
    expect(ended.job.error?.message).toMatch(/recall.*no luck.*error: boom/)
  })

  test('what is done while undoing is not undone in turn', () => {
    const job = step(doneTwice(), threw(false)).job
    const on = step(job, go('more', 'loop')).job
    expect(on).toMatchObject({ state: 'more', undo: ['refund'] })
    expect(step(on, acted({ kind: 'finish', output: null })).job.state).toBe('refund')
  })

  test('a job that looped is undone all the same', () => {
    let job = doneTwice()
    while (job.ending === null) job = step(job, go('tell', null)).job
    expect(job).toMatchObject({ state: 'recall', ending: { error: { code: 'TRANSITION_LIMIT' } } })
    expect(step(step(job, undone).job, undone).job.status).toBe('failed')
  })

  test('a paused job that is cancelled does not wait to be resumed', () => {
    const paused = step(doneTwice(), { type: 'pause', by: 'me' }).job
    expect(step(paused, { type: 'cancel', by: 'me', reason: null }).job.status).toBe('running')
    expect(step(paused, { type: 'deadline' }).job).toMatchObject({ status: 'paused', state: 'recall' })
  })

  test('`undone` outside of undoing is a fault of the blueprint', () => {
    expect(step(fresh(), undone).job).toMatchObject({ status: 'error', error: { code: 'BLUEPRINT_ERROR' } })
  })
})

test('children have a deepest level, their own deadline, and what their parent has', () => {
  const run = (timeoutMs: number | null): Cause =>
    acted({
      kind: 'run_blueprint',
      blueprint: 'c',
      version: 2,
      start: 's',
      input: {},
      on: { success: 'next' },
      timeoutMs,
    })
  const clientFacts = { plan: 'pro', params: { language: 'en' } }
  const parent = fresh({ depth: 2, clientFacts, trace: 'trace', resultTimeoutMs: 70 })
  const [spawned] = step(parent, run(500), anEnv()).change.spawn
  expect(spawned?.job).toMatchObject({
    depth: 3,
    clientFacts,
    trace: 'trace',
    resultTimeoutMs: 70,
    status: 'pending',
    origin: { kind: 'parent', jobId: 'job' },
    deadlineAt: startedAt + 500,
  })
  expect(spawned?.timers).toMatchObject([{ dueAt: startedAt + 500, cause: { type: 'deadline' } }])
  const tooDeep = step(fresh({ depth: limits.maxDepth }), run(null))
  expect(tooDeep.job).toMatchObject({ status: 'error', error: { code: 'BLUEPRINT_ERROR' } })
  expect(tooDeep.change.spawn).toEqual([])
})
