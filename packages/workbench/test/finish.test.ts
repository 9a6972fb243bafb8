import { AGENT_LOSSES } from '@tutti/contracts'
import type { Engine } from '@tutti/engine'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createStage, finishOf, holder, numbered, type Stage, said, user } from './support/stage.ts'

let stage: Stage

beforeAll(async () => {
  stage = await createStage()
})
afterAll(() => stage.close())

const retryable = { outcome: 'failed', error: { code: 'model_error', message: 'overloaded', retryable: true } }

/** The backend dies in the moment in which it would speak to the engine. */
const dyingAt = (method: 'create' | 'results'): ((engine: Engine) => Engine) => {
  const die = (): Promise<never> => Promise.reject(new Error('the process died'))
  return (engine) => ({ ...engine, [method]: die })
}

test('backend-crash-between-run-and-job-heals', async () => {
  const { workbench } = stage.process(dyingAt('create'))
  const request = { prompt: 'first', permission_mode: 'default' as const }
  const { session_id, run_id } = await workbench.createTask(user, request)
  if (run_id === null) throw new Error('the first message of a session makes a run')
  const second = await workbench.createTask(user, { ...request, prompt: 'second', session_id })
  expect(await stage.tryClaim()).toBeNull()
  await stage.sweepAll()
  const run = await stage.claim()
  expect(run.run_id).toBe(run_id)
  await stage.workbench.finishRun(run_id, finishOf(run))
  const next = await stage.claim()
  expect(next.run_id).toBe(second.queue_item_id)
  await stage.workbench.finishRun(next.run_id, finishOf(next))
})

test('a-look-of-the-sweeper-that-fails-is-soon-repeated-and-one-that-changes-nothing-much-later', async () => {
  const { workbench } = stage.process(dyingAt('create'))
  const { run_id } = await workbench.createTask(user, { prompt: 'unmade', permission_mode: 'default' })
  const nextLookSeconds = async (): Promise<number> => {
    const [run] = await stage.database.query<{ seconds: number }>(
      'select extract(epoch from check_at - now())::float8 as seconds from workbench.runs where id = $1',
      [run_id],
    )
    return run?.seconds ?? Number.NaN
  }
  await stage.sweepAll(workbench)
  expect(await nextLookSeconds()).toBeLessThan(5.1)
  await stage.sweepAll()
  await stage.sweepAll()
  expect(await nextLookSeconds()).toBeGreaterThan(10)
  const run = await stage.claim()
  await stage.workbench.finishRun(run.run_id, finishOf(run))
})

test('finish-twice-finishes-once', async () => {
  const { session_id, run_id } = await stage.send('finish')
  const run = await stage.claim()
  const views = await Promise.all([1, 2, 3].map(() => stage.workbench.finishRun(run_id, finishOf(run))))
  expect(views.map((view) => view.status)).toEqual(['completed', 'completed', 'completed'])
  await stage.workbench.finishRun(run_id, finishOf(run, { outcome: 'failed' }))
  const ends = (await stage.frames(session_id)).filter((frame) => frame.data.run_status === 'completed')
  expect(ends).toHaveLength(1)
  expect(await stage.engine.job(run_id, null)).toMatchObject({ status: 'finished', output: { text: 'done' } })
})

test('backend-crash-between-end-and-engine-heals-by-the-manager', async () => {
  const { run_id } = await stage.send('crash')
  const run = await stage.claim()
  const { workbench } = stage.process(dyingAt('results'))
  await expect(workbench.finishRun(run_id, finishOf(run))).rejects.toThrow('the process died')
  expect(await stage.engine.job(run_id, null)).toMatchObject({ status: 'waiting_for_worker' })
  await stage.workbench.finishRun(run_id, finishOf(run))
  expect(await stage.engine.job(run_id, null)).toMatchObject({ status: 'finished' })
})

test('backend-crash-between-end-and-engine-heals-by-the-sweeper', async () => {
  const { run_id } = await stage.send('crash')
  const run = await stage.claim()
  const { workbench } = stage.process(dyingAt('results'))
  await expect(workbench.finishRun(run_id, finishOf(run))).rejects.toThrow('the process died')
  await stage.sweepAll()
  expect(await stage.engine.job(run_id, null)).toMatchObject({ status: 'finished' })
})

test('backend-and-manager-die-in-the-middle-of-a-finish-and-the-run-waits-for-no-more-than-its-lease', async () => {
  const { run_id } = await stage.send('both die')
  const ask = { boot_id: 'b', lease_seconds: 5, schedule_modes: ['immediate'], capacity: 1 }
  const claimBy = (worker_id: string, wait_seconds: number) =>
    stage.workbench.claim({ ...ask, worker_id, wait_seconds }, new AbortController().signal)
  const run = await claimBy('manager-dying', 30)
  if (run === null) throw new Error('no run could be claimed')
  const { workbench } = stage.process(dyingAt('results'))
  const told = finishOf(run, retryable, 'manager-dying')
  await expect(workbench.finishRun(run_id, told)).rejects.toThrow('the process died')
  // A lease of five seconds, the pause before the next try, and no minute in which the end was to be written.
  stage.advance(7_000)
  const again = await claimBy('manager-2', 20)
  expect(again).toMatchObject({ run_id, attempt: 2 })
  if (again !== null) await stage.workbench.finishRun(run_id, finishOf(again, {}, 'manager-2'))
})

test('ended-run-whose-lease-is-lost-is-not-run-again', async () => {
  const { session_id, run_id } = await stage.send('crash')
  const run = await stage.claim()
  const { workbench } = stage.process(dyingAt('results'))
  await expect(workbench.finishRun(run_id, finishOf(run, { result: 'only once' }))).rejects.toThrow()
  const before = await stage.frames(session_id)
  await stage.loseLease(run_id)
  expect(await stage.tryClaim('manager-2')).toBeNull()
  expect(await stage.engine.job(run_id, null)).toMatchObject({ status: 'finished', output: { text: 'only once' } })
  expect(await stage.frames(session_id)).toEqual(before)
})

test('retryable-failure-is-tried-again-until-the-engine-gives-up', async () => {
  const { session_id, run_id } = await stage.send('flaky')
  for (const attempt of [1, 2, 3]) {
    const run = await stage.claim()
    expect(run.attempt).toBe(attempt)
    const view = await stage.workbench.finishRun(run_id, finishOf(run, retryable))
    expect(view.status).toBe(attempt < 3 ? 'queued' : 'failed')
    await stage.workbench.finishRun(run_id, finishOf(run, retryable))
    stage.advance(60_000)
  }
  expect(await stage.workbench.run(user, run_id)).toMatchObject({
    status: 'failed',
    attempts: 3,
    last_error: 'model_error: overloaded',
  })
  expect(await stage.workbench.session(user, session_id)).toMatchObject({ status: 'failed' })
  expect(await stage.engine.job(run_id, null)).toMatchObject({ status: 'failed' })
})

test('a-run-that-a-stopping-manager-gives-back-is-there-at-once-and-has-lost-no-try', async () => {
  const { session_id, run_id } = await stage.send('moved about')
  const error = { code: 'MANAGER_STOPPING', message: 'it stops', retryable: true }
  for (const attempt of [1, 2, 3, 4]) {
    const worker = `manager-${attempt}`
    const run = await stage.claim(worker)
    expect(run).toMatchObject({ run_id, attempt })
    const call = { tool_use_id: `t${attempt}`, name: 'Bash', input: {}, parent_tool_use_id: null }
    const batch = { ...holder(run, worker), attempt, events: numbered([{ type: 'tool_call', ...call }]) }
    await stage.workbench.storeEvents(run_id, batch)
    const released = finishOf(run, { outcome: 'released', error }, worker)
    expect(await stage.workbench.finishRun(run_id, released)).toMatchObject({ status: 'queued' })
    // As a manager does that heard no answer.
    await stage.workbench.finishRun(run_id, released)
  }
  const tools = await stage.workbench.toolExecutions(user, session_id, { limit: 10, offset: 0 })
  expect(tools.map(({ tool_output }) => tool_output)).toEqual(Array.from({ length: 4 }, () => 'interrupted'))
  expect((await stage.engine.job(run_id, null)).waiting).toMatchObject({ task: { attempt: 1 } })
  const attempts = (await stage.frames(session_id)).filter(({ type }) => type === 'run.attempt')
  expect(attempts.map(({ data }) => data.attempt)).toEqual([2, 3, 4])
  const last = await stage.claim()
  await stage.workbench.cancelSession(user, session_id)
  // One that is being cancelled does not come back.
  expect(await stage.workbench.finishRun(run_id, finishOf(last, { outcome: 'released', error }))).toMatchObject({
    status: 'canceled',
  })
  expect(await stage.tryClaim()).toBeNull()
})

test('permanent-failure-ends-the-run-and-the-next-message-waits-to-be-sent', async () => {
  const { session_id, run_id } = await stage.send('bad')
  const next = await stage.send('good', { session_id })
  const run = await stage.claim()
  await stage.workbench.finishRun(
    run_id,
    finishOf(run, { outcome: 'failed', error: { code: 'invalid_turn', message: 'no such model', retryable: false } }),
  )
  expect(await stage.engine.job(run_id, null)).toMatchObject({ status: 'failed' })
  expect(await stage.workbench.session(user, session_id)).toMatchObject({ status: 'failed', queued_query_count: 1 })
  expect(await stage.tryClaim()).toBeNull()
  expect(await stage.workbench.queue(user, session_id)).toMatchObject([{ status: 'paused', prompt: 'good' }])
  expect(await stage.workbench.sendQueueItem(user, session_id, next.run_id)).toMatchObject({
    accepted_type: 'run',
    run_id: next.run_id,
    queued_query_count: 0,
  })
  const second = await stage.claim()
  expect(second.run_id).toBe(next.run_id)
  await stage.workbench.finishRun(second.run_id, finishOf(second))
})

test('a-run-outlives-the-deaths-of-managers-and-its-own-failures-count-apart', { timeout: 30_000 }, async () => {
  const { run_id } = await stage.send('unlucky')
  for (let death = 1; death <= 6; death += 1) {
    await stage.claim()
    await stage.loseLease(run_id)
  }
  for (const failure of [1, 2, 3]) {
    const run = await stage.claim()
    expect(run.attempt).toBe(6 + failure)
    const view = await stage.workbench.finishRun(run_id, finishOf(run, retryable))
    expect(view.status).toBe(failure < 3 ? 'queued' : 'failed')
    stage.advance(60_000)
  }
})

test('managers-that-keep-dying-end-the-run-as-failed', { timeout: 60_000 }, async () => {
  const { run_id } = await stage.send('killer')
  const most = AGENT_LOSSES + 1
  for (let attempt = 1; attempt <= most; attempt += 1) {
    expect(await stage.claim()).toMatchObject({ attempt })
    if (attempt < most) await stage.loseLease(run_id)
  }
  stage.advance(61_000)
  await expect.poll(async () => (await stage.engine.job(run_id, null)).status).toBe('failed')
  await stage.sweepAll()
  expect(await stage.workbench.run(user, run_id)).toMatchObject({ status: 'failed' })
})

test('cancel-reaches-a-claimed-run', async () => {
  const { session_id, run_id } = await stage.send('stop me')
  const queued = await stage.send('and me', { session_id })
  const run = await stage.claim()
  await stage.workbench.storeEvents(run_id, { ...holder(run), attempt: 1, events: numbered([said('working')]) })
  expect(await stage.workbench.cancelSession(user, session_id, { reason: 'changed my mind' })).toEqual({
    session_id,
    status: 'canceling',
    canceled_runs: 1,
    canceled_queued_queries: 1,
    expired_user_input_requests: 0,
    executor_cancel_status: 'pending',
    executor_cancel_target_worker_id: 'manager-1',
    executor_cancelled: false,
  })
  await expect(stage.workbench.sendQueueItem(user, session_id, queued.run_id)).rejects.toMatchObject({
    code: 'QUEUE_ITEM_GONE',
  })
  expect(
    await stage.workbench.renewRun(run_id, { ...holder(run), lease_seconds: 60, wait_seconds: 0, commands_after: 0 }),
  ).toEqual({
    held: true,
    cancel: true,
    commands: [],
  })
  // Until the turn has stopped nobody else may work in the session.
  await expect(stage.send('after all', { session_id })).rejects.toMatchObject({ code: 'SESSION_CANCELING' })
  expect(await stage.tryClaim()).toBeNull()
  await stage.workbench.finishRun(run_id, finishOf(run, { outcome: 'canceled' }))
  expect(await stage.workbench.run(user, run_id)).toMatchObject({ status: 'canceled', last_error: 'changed my mind' })
  expect(await stage.engine.job(run_id, null)).toMatchObject({ status: 'cancelled' })
  const after = await stage.send('after all', { session_id })
  const next = await stage.claim()
  expect(next.run_id).toBe(after.run_id)
  await stage.workbench.finishRun(next.run_id, finishOf(next))
  expect(await stage.workbench.session(user, session_id)).toMatchObject({ status: 'completed' })
})

test('cancel-of-a-run-whose-manager-is-dead-ends-without-it', async () => {
  const { session_id, run_id } = await stage.send('stop me')
  await stage.claim()
  await stage.workbench.cancelSession(user, session_id)
  await stage.sweepAll()
  expect(await stage.workbench.session(user, session_id)).toMatchObject({ status: 'canceled' })
  expect(await stage.engine.job(run_id, null)).toMatchObject({ status: 'cancelled' })
})

test('job-cancelled-in-the-engine-ends-the-run', async () => {
  const claimed = await stage.send('cancelled while claimed')
  const run = await stage.claim()
  await stage.engine.cancel(claimed.run_id, null, 'an operator', null)
  expect(
    await stage.workbench.renewRun(run.run_id, {
      ...holder(run),
      lease_seconds: 60,
      wait_seconds: 0,
      commands_after: 0,
    }),
  ).toEqual({
    held: false,
    cancel: true,
    commands: [],
  })
  expect(await stage.workbench.run(user, run.run_id)).toMatchObject({ status: 'canceled' })
  expect(await stage.workbench.finishRun(run.run_id, finishOf(run))).toMatchObject({ status: 'canceled' })

  const finishing = await stage.send('cancelled while finishing')
  const late = await stage.claim()
  await stage.engine.cancel(finishing.run_id, null, 'an operator', null)
  expect(await stage.workbench.finishRun(late.run_id, finishOf(late))).toMatchObject({ status: 'canceled' })

  const queued = await stage.send('cancelled while queued')
  await stage.engine.cancel(queued.run_id, null, 'an operator', null)
  await stage.sweepAll()
  expect(await stage.workbench.run(user, queued.run_id)).toMatchObject({ status: 'canceled' })
})
