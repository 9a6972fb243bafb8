/** Events from outside, sleeping, delayed starts and pausing, through whole engines. */
import { isTerminal } from '@tutti/contracts'
import { expect, test } from 'vitest'
import { type Blueprint, blueprint, type Engine } from '../src/index.ts'
import { answer, counted, create, createFleet, logOf, single, take, takeOne } from './fleet.ts'

const waiting = (timeout?: '1h'): Blueprint =>
  blueprint({ name: 'waiting' })
    .state('wait', { start: true, to: ['done', 'late'] }, ({ waitForEvent }) =>
      waitForEvent({ name: 'paid', on: { event: 'done', timeout: 'late' }, ...(timeout ? { timeout } : {}) }),
    )
    .end('done', ({ last }) => last?.data)
    .end('late', ({ last }) => last?.error?.code)

const ended = async (engine: Engine, id: string) => {
  const job = await engine.job(id, null)
  return isTerminal(job.status) ? job : null
}

test('an event wakes the job that waits for it, whichever instance gets it, and counts once', async () => {
  const fleet = createFleet([waiting('1h')])
  const [one, two] = [fleet.engine(), fleet.engine()]
  const { id, status } = await create(one, 'waiting')
  expect(status).toBe('waiting_for_event')
  const sent = await Promise.all(
    [one, two]
      .map((engine) => engine.signal(id, 'client', { id: 's-1', name: 'paid', data: 3 }))
      .map((each) => each.then(({ id }) => id)),
  )
  // Both are told that it was taken, though it ended the job: who lost an answer asks again. The job went on once.
  expect(sent).toEqual([id, id])
  await expect(one.signal(id, 'client', { id: 's-2', name: 'paid', data: 3 })).rejects.toMatchObject({
    code: 'JOB_TERMINAL',
  })
  expect(await ended(one, id)).toMatchObject({ status: 'finished', output: 3 })
  expect(counted(await logOf(one, await one.job(id, null)))).toMatchObject({ signal_received: 1, signal_consumed: 1 })
  expect(await fleet.store.nextDue([], [])).toBeNull()
})

test('no event comes in time: the job goes its route for that', async () => {
  const fleet = createFleet([waiting('1h')])
  const engine = fleet.engine()
  const { id } = await create(engine, 'waiting')
  await fleet.time.pass(3_599_000)
  expect(await ended(engine, id)).toBeNull()
  await fleet.time.until(async () => (await ended(engine, id)) !== null)
  expect(await ended(engine, id)).toMatchObject({ output: 'EVENT_TIMEOUT' })
})

test('an event that comes while a slow handler runs is kept, and the handler is not run twice for it', async () => {
  let runs = 0
  let finishIt = (): void => {}
  const slow = blueprint({ name: 'slow' })
    .state('work', { start: true, to: ['wait'] }, async ({ goTo }) => {
      runs += 1
      await new Promise<void>((resolve) => {
        finishIt = resolve
      })
      return goTo('wait')
    })
    .state('wait', { to: ['done'] }, ({ waitForEvent }) => waitForEvent({ name: 'paid', on: 'done' }))
    .end('done', ({ last }) => last?.data)
  const fleet = createFleet([slow])
  const engine = fleet.engine()
  const { id } = await fleet.time.during(create(engine, 'slow'))
  const kept = await engine.signal(id, null, { name: 'paid', data: 'early' })
  expect([kept.status, kept.signals.length]).toEqual(['running', 1])
  await engine.update(id, null, { priority: 5 })
  finishIt()
  await fleet.time.until(async () => (await ended(engine, id)) !== null)
  expect(await ended(engine, id)).toMatchObject({ status: 'finished', output: 'early', priority: 5 })
  expect(runs).toBe(1)
})

test('a job keeps so many events and refuses more; strangers can send none', async () => {
  const fleet = createFleet([single()])
  const engine = fleet.engine({ settings: { maxSignals: 2 } })
  const { id } = await create(engine, 'single')
  const send = (signal: string, client = 'client') => engine.signal(id, client, { id: signal, name: 'x', data: null })
  await send('a')
  await send('b')
  await expect(send('c')).rejects.toMatchObject({ code: 'TOO_MANY_SIGNALS', status: 429 })
  // Repeated, not new.
  expect((await send('a')).signals).toHaveLength(2)
  await expect(send('d', 'stranger')).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
  await answer(engine, await takeOne(engine))
  await expect(send('e')).rejects.toMatchObject({ code: 'JOB_TERMINAL' })
})

test('a sleep of days is kept over a restart of every instance', async () => {
  const sleepy = blueprint({ name: 'sleepy' })
    .state('nap', { start: true, to: ['done'] }, ({ sleep }) => sleep('6h', { to: 'done' }))
    .end('done')
  const fleet = createFleet([sleepy])
  const first = fleet.engine()
  const { id, createdAt, status } = await create(first, 'sleepy')
  expect(status).toBe('sleeping')
  await first.stop()
  const second = fleet.engine()
  await fleet.time.until(async () => (await ended(second, id)) !== null)
  const job = await second.job(id, null)
  expect((job.finishedAt ?? 0) - createdAt).toBeGreaterThanOrEqual(6 * 3_600_000)
  expect((job.finishedAt ?? 0) - createdAt).toBeLessThan(6 * 3_600_000 + 6_000)
})

test('a delayed job runs nothing before its instant, and can be cancelled until then', async () => {
  const fleet = createFleet([single()])
  const engine = fleet.engine()
  const [late, gone] = [
    await create(engine, 'single', { delayMs: 60_000 }),
    await create(engine, 'single', { delayMs: 60_000 }),
  ]
  expect(late).toMatchObject({ status: 'pending', startAt: late.createdAt + 60_000, wakeAt: late.createdAt + 60_000 })
  await engine.cancel(gone.id, null, 'me', null)
  await fleet.time.pass(59_000)
  expect(await take(engine, { max: 9 })).toEqual([])
  await fleet.time.until(async () => (await engine.job(late.id, null)).status === 'waiting_for_worker')
  expect((await take(engine, { max: 9 })).map((leased) => leased.task.jobId)).toEqual([late.id])
  const past = await create(engine, 'single', { startAt: 1_000 })
  expect(past).toMatchObject({ status: 'waiting_for_worker', startAt: null })
})

test('a paused job takes no step; results count, and it goes on where they led', async () => {
  const fleet = createFleet([single()])
  const engine = fleet.engine()
  const { id } = await create(engine, 'single')
  const leased = await takeOne(engine)
  expect((await engine.pause(id, 'client', 'me')).status).toBe('paused')
  expect((await engine.pause(id, 'client', 'me')).status).toBe('paused')
  expect(await answer(engine, leased, { data: { pages: 3 } })).toEqual({ status: 'accepted' })
  await fleet.time.pass(600_000)
  expect(await engine.job(id, null)).toMatchObject({ status: 'paused', state: 'done', data: { pages: 3 } })
  expect(await engine.resume(id, 'client', 'me')).toMatchObject({ status: 'finished', output: { pages: 3 } })
  expect(counted(await logOf(engine, await engine.job(id, null)))).toMatchObject({ job_paused: 1, job_resumed: 1 })
})

test('paused before its start, and resumed after it', async () => {
  const fleet = createFleet([single()])
  const engine = fleet.engine()
  const { id } = await create(engine, 'single', { delayMs: 10_000 })
  await engine.pause(id, null, 'me')
  await fleet.time.pass(60_000)
  expect(await engine.job(id, null)).toMatchObject({ status: 'paused', wakeAt: null })
  expect((await engine.resume(id, null, 'me')).status).toBe('waiting_for_worker')
})

test('tags and metadata are replaced, and the job is found by the new ones', async () => {
  const fleet = createFleet([single()])
  const engine = fleet.engine()
  const { id } = await create(engine, 'single', { tags: ['old'] })
  await engine.update(id, 'client', { tags: ['new'], metadata: { order: 7 } })
  const found = async (...labels: string[]) =>
    (await engine.jobs({ client: null, labels, limit: 9 })).jobs.map((job) => job.id)
  expect([await found('old'), await found('new', 'order=7')]).toEqual([[], [id]])
})

test('a worker’s event takes the job on, and its lease away', async () => {
  const watched = blueprint({ name: 'watched' })
    .state('start', { start: true, to: ['done', 'found'] }, ({ dispatch }) =>
      dispatch('work', {}, { on: { success: 'done' }, onEvent: { found: 'found' } }),
    )
    .end('done')
    .end('found', ({ data }) => data)
  const fleet = createFleet([watched])
  const engine = fleet.engine()
  const { id } = await create(engine, 'watched')
  const leased = await takeOne(engine)
  const tell = (name: string, patch = {}) =>
    engine.workerEvent({ worker: 'worker', jobId: id, taskId: leased.task.id, name, data: { at: 3 }, ...patch })
  expect(await tell('seen', { id: 'first' })).toEqual({ status: 'accepted' })
  expect(await tell('seen', { id: 'first' })).toEqual({ status: 'accepted' })
  const lines = (await engine.events(id, 0, 100)).filter(({ type }) => type === 'worker_event:seen')
  expect(lines.length, 'an event that comes twice counts once').toBe(1)
  expect(await tell('found', { worker: 'other' })).toEqual({ status: 'ignored', reason: 'lease_lost' })
  expect(await tell('found', { token: 'wrong' })).toEqual({ status: 'ignored', reason: 'lease_lost' })
  const together = await Promise.all([
    tell('seen', { token: leased.token }),
    tell('found', { token: leased.token }),
    answer(engine, leased),
  ])
  expect(together.map((each) => each.status)).toEqual(['accepted', 'accepted', 'ignored'])
  expect(await engine.job(id, null)).toMatchObject({ status: 'finished', state: 'found', output: { at: 3 } })
})

test('a task that nobody picks up ends by its clock, not by chance', async () => {
  const picky = blueprint({ name: 'picky' })
    .state('start', { start: true, to: ['done', 'nobody'] }, ({ dispatch }) =>
      dispatch('work', {}, { on: { success: 'done', failure: 'nobody' }, pickupTimeout: '1m' }),
    )
    .end('done')
    .end('nobody', ({ last }) => last?.error?.code)
  const fleet = createFleet([picky])
  const engine = fleet.engine()
  const { id } = await create(engine, 'picky')
  await fleet.time.pass(59_000)
  expect((await engine.job(id, null)).status).toBe('waiting_for_worker')
  await fleet.time.until(async () => (await ended(engine, id)) !== null)
  expect(await ended(engine, id)).toMatchObject({ output: 'NOT_PICKED_UP' })
  expect(await take(engine)).toEqual([])
})

test('a result that is late over all tries is not waited for', async () => {
  const late = blueprint({ name: 'late' })
    .state('start', { start: true, to: ['done'] }, ({ dispatch }) =>
      dispatch('work', {}, { on: { success: 'done' }, resultTimeout: '5m', timeout: '1h' }),
    )
    .end('done')
  const fleet = createFleet([late])
  const engine = fleet.engine()
  const { id } = await create(engine, 'late')
  const leased = await takeOne(engine, { leaseMs: 3_600_000 })
  await fleet.time.until(async () => (await ended(engine, id)) !== null)
  expect(await ended(engine, id)).toMatchObject({ status: 'failed', error: { code: 'RESULT_DEADLINE' } })
  expect(await answer(engine, leased)).toEqual({ status: 'ignored', reason: 'deadline_exceeded' })
})
