/** Handlers: what a blueprint's own code can do wrong, and what becomes of its job. */
import { isTerminal } from '@tutti/contracts'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { type Blueprint, blueprint, type TypedAction } from '../src/index.ts'
import type { After } from '../src/run/after.ts'
import { answer, counted, create, createFleet, logOf, take, takeOne } from './fleet.ts'

type Handler = Parameters<ReturnType<typeof blueprint>['state']>[2]

const withHandler = (run: Handler): Blueprint =>
  blueprint({ name: 'b' })
    .state('start', { start: true, to: ['done'] }, run as Parameters<ReturnType<typeof blueprint>['state']>[2])
    .end('done', ({ data }) => data)

const ended = async (run: Handler, settings = {}) => {
  const fleet = createFleet([withHandler(run)])
  const engine = fleet.engine({ settings })
  const { id } = await fleet.time.during(create(engine, 'b'))
  await fleet.time.until(async () => isTerminal((await engine.job(id, null)).status))
  return engine.job(id, null)
}

test('no action is an error at once, not a hang', async () => {
  const job = await ended(() => undefined as unknown as TypedAction<string>)
  expect(job).toMatchObject({ status: 'error', error: { code: 'BLUEPRINT_ERROR' } })
  expect(job.error?.message).toMatch(/returned no action/)
})

test('two actions are an error, whichever is returned', async () => {
  const job = await ended(({ goTo, finish }) => {
    goTo('done')
    return finish()
  })
  expect(job).toMatchObject({ status: 'error', error: { code: 'BLUEPRINT_ERROR' } })
  expect(job.error?.message).toMatch(/made 2 actions/)
})

test('a target that the state does not declare is an error', async () => {
  const job = await ended(({ goTo }) => goTo('elsewhere' as 'done'))
  expect(job).toMatchObject({ status: 'error', error: { code: 'BLUEPRINT_ERROR' } })
  expect(job.error?.message).toMatch(/leads to "elsewhere", which its `to` does not declare/)
  expect(job.state).toBe('start')
})

test('a child blueprint that is not loaded is an error', async () => {
  const job = await ended(({ runBlueprint }) => runBlueprint('nowhere', {}, { on: { success: 'done' } }))
  expect(job).toMatchObject({ status: 'error', error: { code: 'BLUEPRINT_ERROR' } })
})

test('a fan-out that may run nothing at a time is an error, not a hang', async () => {
  const job = await ended(({ parallel }) => parallel([], { into: 'done', concurrency: 0 }))
  expect(job).toMatchObject({ status: 'quarantined' })
  expect(job.error?.message).toMatch(/concurrency/)
})

test('a handler that throws now and then is tried again, and the job goes on', async () => {
  let runs = 0
  const job = await ended(({ finish }) => {
    runs += 1
    if (runs < 3) throw new Error('not yet')
    return finish({ runs })
  })
  expect(job).toMatchObject({ status: 'finished', output: { runs: 3 } })
})

test('a handler that always throws sets its job aside', async () => {
  const job = await ended(
    () => {
      throw 'a text'
    },
    { handlerAttempts: 2 },
  )
  expect(job).toMatchObject({ status: 'quarantined', error: { code: 'HANDLER_FAILED' } })
  expect(job.error?.message).toBe('the handler of "start" failed 2 times: a text')
})

test('a handler that hangs is given up, told so, and tried again', async () => {
  const signals: AbortSignal[] = []
  const job = await ended(
    ({ signal, finish }) => {
      signals.push(signal)
      return signals.length === 1 ? new Promise(() => {}) : finish({ runs: signals.length })
    },
    { handlerTimeoutMs: 1_000 },
  )
  expect(job).toMatchObject({ status: 'finished', output: { runs: 2 } })
  expect(signals.map((signal) => signal.aborted)).toEqual([true, false])
})

test('a handler that never answers ends as set aside, not as running for ever', async () => {
  const job = await ended(() => new Promise(() => {}), { handlerTimeoutMs: 1_000, handlerAttempts: 2 })
  expect(job.error?.message).toMatch(/ran longer than 1 s/)
  expect(job.status).toBe('quarantined')
})

test('a slow handler is leased, goes on outside, and counts once', async () => {
  let runs = 0
  let finishIt = (): void => {}
  const slow = withHandler(async ({ goTo }) => {
    runs += 1
    await new Promise<void>((resolve) => {
      finishIt = resolve
    })
    return goTo('done', { runs })
  })
  const fleet = createFleet([slow])
  const [engine, other] = [fleet.engine(), fleet.engine()]
  const created = await fleet.time.during(create(engine, 'b'))
  expect(created.status).toBe('running')
  expect(created.wakeAt).toBeGreaterThan(fleet.time.now() + 10_000)
  await fleet.time.pass(10_000)
  expect(runs).toBe(1)
  finishIt()
  await fleet.time.settle()
  const job = await other.job(created.id, null)
  expect(job).toMatchObject({ status: 'finished', output: { runs: 1 } })
  expect(counted(await logOf(engine, job))).toEqual({ job_created: 1, state_entered: 1, job_finished: 1 })
})

test('a slow handler whose instance died is run again by another, and a late answer of the first is ignored', async () => {
  let runs = 0
  const answers: (() => void)[] = []
  const slow = withHandler(async ({ goTo }) => {
    runs += 1
    const mine = runs
    await new Promise<void>((resolve) => answers.push(resolve))
    return goTo('done', { by: mine })
  })
  const fleet = createFleet([slow])
  // Longer delays never end there, so not even its own limit ends the handler: the instance hangs.
  const after: After = (ms, run) => (ms < 1_000 ? fleet.time.after(ms, run) : () => {})
  const stuck = fleet.engine({ start: false, after, settings: { handlerTimeoutMs: 5_000 } })
  const { id } = await fleet.time.during(create(stuck, 'b'))
  const other = fleet.engine({ settings: { handlerTimeoutMs: 600_000 } })
  await fleet.time.until(() => runs === 2)
  answers[0]?.()
  await fleet.time.settle()
  expect((await other.job(id, null)).status).toBe('running')
  answers[1]?.()
  await fleet.time.until(async () => isTerminal((await other.job(id, null)).status))
  expect(await other.job(id, null)).toMatchObject({ status: 'finished', output: { by: 2 } })
})

test('cancelled while its slow handler runs: the late action changes nothing', async () => {
  let finishIt = (): void => {}
  const fleet = createFleet([
    withHandler(async ({ goTo }) => {
      await new Promise<void>((resolve) => {
        finishIt = resolve
      })
      return goTo('done')
    }),
  ])
  const engine = fleet.engine()
  const { id } = await fleet.time.during(create(engine, 'b'))
  await engine.cancel(id, null, 'me', null)
  finishIt()
  await fleet.time.settle()
  expect((await engine.job(id, null)).status).toBe('cancelled')
})

test('an instance without the blueprint leaves the job to one that has it', async () => {
  const one = withHandler(({ dispatch }) => dispatch('work', {}, { on: { success: 'done' } }))
  const fleet = createFleet([one])
  const knows = fleet.engine({ start: false })
  const knowsNot = fleet.engine({ blueprints: [] })
  const { id } = await create(knows, 'b')
  const leased = await takeOne(knowsNot)
  expect(await answer(knowsNot, leased, { data: { pages: 3 } })).toEqual({ status: 'accepted' })
  await fleet.time.pass(10_000)
  expect(await knowsNot.job(id, null)).toMatchObject({ status: 'running', state: 'done' })
  knows.start()
  await fleet.time.until(async () => isTerminal((await knows.job(id, null)).status))
  expect(await knowsNot.job(id, null)).toMatchObject({ status: 'finished', output: { pages: 3 } })
})

test.each([
  ['no instance has the blueprint', () => []],
  ['no instance has the version', () => [withHandler(({ finish }) => finish())]],
])('%s: nobody spins, the job waits', async (_, blueprints) => {
  const old = { ...withHandler(({ dispatch }) => dispatch('work', {}, { on: { success: 'done' } })), version: 7 }
  const fleet = createFleet([old])
  const before = fleet.engine({ start: false })
  const { id } = await create(before, 'b')
  let calls = 0
  const counting = {
    ...fleet.store,
    leaseJobs: (request: Parameters<typeof fleet.store.leaseJobs>[0]) => {
      calls += 1
      return fleet.store.leaseJobs(request)
    },
  }
  const engine = fleet.engine({ blueprints: blueprints(), store: counting })
  await answer(engine, await takeOne(engine))
  await fleet.time.pass(60_000)
  expect(calls).toBeLessThan(200)
  expect((await engine.job(id, null)).status).toBe('running')
  before.start()
  await fleet.time.until(async () => isTerminal((await engine.job(id, null)).status))
})

test('a handler that changes what it is given changes nothing', async () => {
  const fleet = createFleet([
    blueprint({ name: 'b' })
      .state('start', { start: true, to: ['done'] }, ({ data, input, dispatch }) => {
        Object.assign(data, { sneaked: true })
        Object.assign(input, { sneaked: true })
        return dispatch('work', {}, { on: { success: 'done' } })
      })
      .end('done'),
  ])
  const engine = fleet.engine()
  const { id } = await create(engine, 'b')
  expect(await engine.job(id, null)).toMatchObject({ data: {}, input: {} })
  await answer(engine, await takeOne(engine))
  expect(await engine.job(id, null)).toMatchObject({ data: {}, input: {}, output: {} })
})

test('an end whose output throws is tried again like any handler', async () => {
  let runs = 0
  const fleet = createFleet([
    blueprint({ name: 'b' })
      .state('start', { start: true, to: ['done'] }, ({ goTo }) => goTo('done'))
      .end('done', () => {
        runs += 1
        if (runs < 2) throw new Error('not yet')
        return { runs }
      }),
  ])
  const engine = fleet.engine()
  const { id } = await create(engine, 'b')
  await fleet.time.until(async () => isTerminal((await engine.job(id, null)).status))
  expect((await engine.job(id, null)).output).toEqual({ runs: 2 })
})

test('input is checked before anything is made, and the fault is named', async () => {
  const strict = blueprint({ name: 'strict', input: z.object({ pages: z.number().default(3), url: z.string() }) })
    .state('start', { start: true, to: ['done'] }, ({ dispatch, input }) =>
      dispatch('work', input, { on: { success: 'done' } }),
    )
    .end('done')
  const fleet = createFleet([strict])
  const engine = fleet.engine()
  const spec = (input: Record<string, string>) => ({ blueprint: 'strict', input, client: 'client' })
  await expect(engine.create([spec({ url: 'x' }), spec({})])).rejects.toMatchObject({
    code: 'INVALID_BODY',
    path: 'body.jobs.1.input.url',
  })
  await expect(create(engine, 'unknown')).rejects.toMatchObject({ code: 'BLUEPRINT_NOT_FOUND', path: 'body.blueprint' })
  expect(await take(engine)).toEqual([])
  await create(engine, 'strict', { input: { url: 'x' } })
  expect((await takeOne(engine)).task.params).toEqual({ url: 'x', pages: 3 })
})

test('many slow handlers at once are no more than the instance may run', async () => {
  let running = 0
  let most = 0
  const fleet = createFleet([
    withHandler(async ({ finish }) => {
      running += 1
      most = Math.max(most, running)
      await new Promise<void>((resolve) => fleet.time.after(200, resolve))
      running -= 1
      return finish()
    }),
  ])
  const engine = fleet.engine({ settings: { maxHandlers: 3 } })
  const creating = engine.create(Array.from({ length: 20 }, () => ({ blueprint: 'b', input: {}, client: 'client' })))
  await fleet.time.pass(100)
  const jobs = await creating
  await fleet.time.until(async () => {
    const now = await Promise.all(jobs.map((job) => engine.job(job.id, null)))
    return now.every((job) => job.status === 'finished')
  })
  expect(most).toBe(3)
})
