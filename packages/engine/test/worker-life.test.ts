/** A worker's life: it registers, gives signs of life, is drained, and leaves. */
import { expect, test } from 'vitest'
import type { Engine, Store } from '../src/index.ts'
import { create, createFleet, single } from './fleet.ts'

const minute = 60_000

const setUp = (settings = {}) => {
  const fleet = createFleet([single()])
  const calls: string[] = []
  const store = new Proxy(fleet.store, {
    get: (inner, name: keyof Store) => {
      if (['touchWorker', 'putWorker', 'renew', 'worker'].includes(name)) calls.push(name)
      return inner[name]
    },
  })
  const engines = [0, 1].map(() => fleet.engine({ registers: false, store, settings })) as [Engine, Engine]
  const [engine, other] = engines
  const join = (id = 'w', bootId = 'boot-1', at = engine) =>
    at.register({ id, bootId, skills: ['work'], info: { labels: { zone: 'a' } } })
  const take = (at = engine, worker = 'w') => at.take({ worker, max: 1, waitMs: 0 })
  return { fleet, engine, other, calls, join, take }
}
const notFound = { code: 'WORKER_NOT_FOUND' }

test('who is not registered, or no longer, is told to register: at a poll, a heartbeat, a drain', async () => {
  const { fleet, engine, other, join, take } = setUp({ workerTtlMs: minute })
  for (const at of [engine, other]) {
    await expect(take(at)).rejects.toMatchObject(notFound)
    await expect(at.heartbeat('w', {})).rejects.toMatchObject(notFound)
    await expect(at.drain('w', true)).rejects.toMatchObject(notFound)
  }
  await join()
  for (const at of [engine, other]) expect(await take(at)).toEqual([])
  await fleet.time.pass(minute)
  for (const at of [engine, other]) await expect(take(at)).rejects.toMatchObject(notFound)
})

test('a worker that only polls stays listed; its polls are written every few seconds, not each', async () => {
  const { fleet, engine, calls, join } = setUp({ workerTtlMs: minute })
  await join()
  calls.length = 0
  const began = fleet.time.now()
  while (fleet.time.now() - began < 5 * minute)
    await fleet.time.during(engine.take({ worker: 'w', max: 1, waitMs: 500 }))
  expect(await engine.worker('w')).toBeDefined()
  const touches = calls.filter((name) => name === 'touchWorker').length
  expect(touches).toBeGreaterThan(10)
  expect(touches).toBeLessThanOrEqual(60)
})

test('a poll that is parked for long keeps its worker listed, too', async () => {
  const { fleet, engine, join } = setUp({ workerTtlMs: minute })
  await join()
  const parked = engine.take({ worker: 'w', max: 1, waitMs: 10 * minute })
  await fleet.time.pass(9 * minute)
  expect((await engine.workers()).map(({ id }) => id)).toEqual(['w'])
  await create(engine, 'single')
  expect(await fleet.time.during(parked)).toHaveLength(1)
})

test('a heartbeat never undoes a registration: boot id and words are those of the new process', async () => {
  const { engine, other, join } = setUp()
  await join()
  await join('w', 'boot-2', other)
  const { record } = await engine.heartbeat('w', { load: 1 })
  expect(record).toMatchObject({ bootId: 'boot-2', info: { labels: { zone: 'a' }, load: 1 } })
  // Announcing the same process again ends no leases.
  await create(engine, 'single')
  const [leased] = await engine.take({ worker: 'w', max: 1, waitMs: 0 })
  await join('w', 'boot-2')
  expect((await engine.heartbeat('w', {})).held).toEqual([leased?.task.id])
})

test('mere signs of life that follow one another closely write nothing', async () => {
  const { fleet, engine, calls, join } = setUp()
  await join()
  calls.length = 0
  for (let round = 0; round < 20; round += 1) await engine.heartbeat('w', {})
  expect(calls.filter((name) => name !== 'renew')).toEqual([])
  await fleet.time.pass(6_000)
  await engine.heartbeat('w', {})
  expect(calls.filter((name) => name === 'touchWorker')).toHaveLength(1)
})

test('drained by the operator: no further tasks, whatever the worker says or does, until the order is taken back', async () => {
  const { fleet, engine, other, join, take } = setUp()
  await join()
  const parked = other.take({ worker: 'w', max: 1, waitMs: 10 * minute })
  await fleet.time.settle()
  expect(await engine.drain('w', true)).toMatchObject({ id: 'w', drained: true })
  expect((await engine.drain('w', true)).drained).toBe(true)
  await fleet.time.settle()
  await create(engine, 'single')
  await engine.heartbeat('w', { status: 'idle', drained: false })
  await engine.deregister('w')
  await join('w', 'boot-2')
  await fleet.time.pass(minute)
  for (const at of [engine, other]) {
    expect(await take(at)).toEqual([])
    expect((await at.workers()).map(({ drained }) => drained)).toEqual([true])
  }
  expect(await fleet.time.during(parked)).toEqual([])
  await engine.drain('w', false)
  await fleet.time.settle()
  expect(await take(other)).toHaveLength(1)
})

test('a worker that says it is draining gets nothing more, and keeps what it has', async () => {
  const { engine, join, take } = setUp()
  await join()
  await create(engine, 'single')
  const [leased] = await take()
  await create(engine, 'single')
  const { held } = await engine.heartbeat('w', { status: 'draining' })
  expect(held).toEqual([leased?.task.id])
  expect(await take()).toEqual([])
  await engine.heartbeat('w', { status: 'idle' })
  expect(await take()).toHaveLength(1)
})

test('a worker that leaves: its tasks are handed out again at once, and its parked polls are answered', async () => {
  const { fleet, engine, other, join } = setUp()
  await join('leaves')
  await join('stays')
  await create(engine, 'single')
  await engine.take({ worker: 'leaves', max: 1, waitMs: 0, leaseMs: 60 * minute })
  const parked = engine.take({ worker: 'leaves', max: 1, waitMs: 60 * minute })
  const waiting = engine.take({ worker: 'stays', max: 1, waitMs: 60 * minute })
  await fleet.time.settle()
  const before = fleet.time.now()
  await other.deregister('leaves')
  expect(await fleet.time.during(parked)).toEqual([])
  const [again] = await fleet.time.during(waiting)
  expect(again?.task.attempt).toBe(2)
  expect(fleet.time.now() - before).toBeLessThan(10_000)
  expect((await engine.workers()).map(({ id }) => id)).toEqual(['stays'])
})

test('what a worker does not know of is given back untried, and what it knows of keeps the end of its lease', async () => {
  const { fleet, engine, join } = setUp()
  await join()
  const jobs = [await create(engine, 'single'), await create(engine, 'single')]
  const takeOne = async (leaseMs: number) => {
    const [leased] = await engine.take({ worker: 'w', max: 1, waitMs: 0, leaseMs })
    if (!leased) throw new Error('there was no task to take')
    return leased
  }
  const [known, unheard] = [await takeOne(5_000), await takeOne(5_000)]
  await fleet.time.pass(4_000)
  expect(await engine.giveBackOthers('w', [known.task.id])).toEqual([unheard.task.id])
  expect((await takeOne(60_000)).task).toEqual(unheard.task)
  // The worker reckons with this instant: a lease that outlives it would keep the task from everybody.
  await fleet.time.pass(3_000)
  const again = await takeOne(5_000)
  expect([again.task.id, again.task.attempt]).toEqual([known.task.id, 2])
  expect(jobs.map(({ id }) => id).sort()).toEqual([known, unheard].map(({ task }) => task.jobId).sort())
})
