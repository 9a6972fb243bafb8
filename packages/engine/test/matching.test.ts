/** Which worker gets which task, through the whole engine. */
import type { JsonObject } from '@tutti/contracts'
import { expect, test } from 'vitest'
import { blueprint, type Engine, type Needs, queueName, type Store, type Strategy } from '../src/index.ts'
import { answer, create, createFleet, failure } from './fleet.ts'

const minute = 60_000

/** One task that asks for what the job's input says. */
const choosy = blueprint({ name: 'choosy' })
  .state('start', { start: true, to: ['done', 'failed'] }, ({ dispatch, input }) =>
    dispatch(
      'work',
      {},
      {
        on: { success: 'done', failure: 'failed' },
        needs: (input.needs ?? {}) as Needs,
        strategy: (input.strategy ?? 'default') as Strategy,
        retry: { attempts: 3, initial: '1s', elsewhere: input.elsewhere === true },
      },
    ),
  )
  .end('done')
  .end('failed', { outcome: 'failed' })

const setUp = (settings: Parameters<ReturnType<typeof createFleet>['engine']>[0] = {}) => {
  const fleet = createFleet([choosy])
  const engine = fleet.engine({ ...settings, registers: false })
  return { fleet, engine, ...acts(engine) }
}
const acts = (engine: Engine) => {
  const answers = new Map<string, string[]>()
  return {
    answers,
    job: (input: { needs?: Needs; strategy?: Strategy; elsewhere?: boolean } = {}) =>
      create(engine, 'choosy', { input: input as unknown as JsonObject }),
    join: (id: string, info: JsonObject = {}, skills = ['work']) => engine.register({ id, bootId: id, skills, info }),
    poll: (worker: string, waitMs = 0, patch: Partial<Parameters<Engine['take']>[0]> = {}) => {
      const taken = engine.take({ worker, max: 1, waitMs, ...patch })
      void taken.then(
        (leases) =>
          answers.set(
            worker,
            leases.map((lease) => lease.task.jobId),
          ),
        () => {},
      )
      return taken
    },
  }
}
const gpu = (vram_gb: number): JsonObject => ({ resources: { devices: [{ type: 'gpu', properties: { vram_gb } }] } })
const needGpu = (vram_gb: number): Needs => ({ devices: [{ type: 'gpu', properties: { vram_gb } }] })

test('a task waits until a worker comes that fits; one that does not fit gets nothing meanwhile', async () => {
  const { fleet, job, join, poll } = setUp()
  await join('small', gpu(8))
  const { id } = await job({ needs: needGpu(24) })
  expect(await poll('small')).toEqual([])
  await fleet.time.pass(60 * minute)
  expect((await fleet.store.job([id]))[0]?.status).toBe('waiting_for_worker')
  await join('big', gpu(80))
  expect((await poll('big'))[0]?.task.jobId).toBe(id)
})

test('news of a task wakes the parked poll that fits it, and no other', async () => {
  const { fleet, answers, job, join, poll } = setUp()
  for (const [id, info] of [
    ['small', gpu(8)],
    ['none', {}],
    ['big', gpu(80)],
  ] as const) {
    await join(id, info)
    void poll(id, minute)
  }
  await fleet.time.settle()
  const { id } = await job({ needs: needGpu(24) })
  await fleet.time.settle()
  expect(answers).toEqual(new Map([['big', [id]]]))
})

test('a queue that is new while a poll waits is known to it at once, also when another instance makes the task', async () => {
  const { fleet, answers, join, poll } = setUp()
  const other = acts(fleet.engine({ registers: false }))
  await join('big', gpu(80))
  void poll('big', minute)
  await fleet.time.settle()
  const before = fleet.time.now()
  const { id } = await other.job({ needs: needGpu(24) })
  await fleet.time.settle()
  expect([answers.get('big'), fleet.time.now()]).toEqual([[id], before])
})

test('all news are lost: known queues are read again, and the task is found', async () => {
  const fleet = createFleet([choosy])
  const deaf: Store = { ...fleet.store, subscribe: () => () => {} }
  const engine = fleet.engine({ registers: false, store: deaf })
  const maker = acts(fleet.engine({ registers: false }))
  const { join, poll } = acts(engine)
  await join('big', gpu(80))
  const parked = poll('big', 5 * minute)
  await fleet.time.settle()
  const before = fleet.time.now()
  const { id } = await maker.job({ needs: needGpu(24) })
  expect((await fleet.time.during(parked))[0]?.task.jobId).toBe(id)
  expect(fleet.time.now() - before).toBeLessThanOrEqual(2 * engine.settings.safetyIntervalMs)
})

test('a worker that learns a skill while it waits gets its tasks at once, told on whichever instance; one that it gave up no more', async () => {
  const { fleet, engine, answers, job, join, poll } = setUp()
  const other = fleet.engine({ registers: false })
  await join('w', {}, ['rest'])
  void poll('w', 10 * minute)
  await fleet.time.settle()
  const first = await job()
  await fleet.time.settle()
  expect(answers.size).toBe(0)
  await other.heartbeat('w', { supported_skills: ['work', 'rest'] })
  await fleet.time.settle()
  expect(answers.get('w')).toEqual([first.id])
  await engine.heartbeat('w', { available_skills: ['rest'] })
  await job()
  expect(await poll('w')).toEqual([])
  await engine.heartbeat('w', { available_skills: ['work'] })
  expect(await poll('w')).toHaveLength(1)
})

test('a worker without skills that learns one while it waits is woken by the next task, and by those that wait', async () => {
  for (const order of ['task first', 'skill first']) {
    const { fleet, engine, answers, job, join, poll } = setUp()
    await join('w', {}, [])
    void poll('w', 10 * minute)
    await fleet.time.settle()
    const learn = () => engine.heartbeat('w', { supported_skills: ['work'] })
    const before = fleet.time.now()
    if (order === 'skill first') await learn()
    await fleet.time.settle()
    const { id } = await job()
    await fleet.time.settle()
    if (order === 'task first') await learn()
    await fleet.time.settle()
    expect([answers.get('w'), fleet.time.now()]).toEqual([[id], before])
  }
})

test('a poll names the skills it wants; of those, only what the worker declared', async () => {
  const { job, join, poll } = setUp()
  await join('w', {}, ['work', 'rest'])
  await job()
  expect(await poll('w', 0, { skills: ['rest'] })).toEqual([])
  expect(await poll('w', 0, { skills: ['work', 'never'] })).toHaveLength(1)
  await join('idle', {}, ['rest'])
  await job()
  expect(await poll('idle', 0, { skills: ['work'] })).toEqual([])
})

test('several tasks for several strategies: the one that the strategy names gets it', async () => {
  const chosen = async (strategy: Strategy): Promise<string[]> => {
    const { fleet, engine, answers, job, join, poll } = setUp()
    await join('first', { cost_per_skill: { work: 5 } })
    await join('cheap', { cost_per_skill: { work: 1 }, load: 9 })
    await join('warm', { cost_per_skill: { work: 9 }, hot_skills: ['work'], load: 2 })
    await join('idle', { cost_per_skill: { work: 8 }, load: 0 })
    await engine.heartbeat('first', { load: 1 })
    for (const id of ['first', 'cheap', 'warm', 'idle']) {
      void poll(id, minute)
      await fleet.time.settle()
    }
    await job({ strategy })
    await fleet.time.settle()
    return [...answers.keys()]
  }
  expect(await chosen('default')).toEqual(['warm'])
  expect(await chosen('round_robin')).toEqual(['first'])
  expect(await chosen('cheapest')).toEqual(['cheap'])
  expect(await chosen('least_connections')).toEqual(['idle'])
  expect(await chosen('overflow')).toEqual(['first'])
})

test('workers that are alike take turns: no hot spot forms', async () => {
  const { fleet, engine, job, join, poll } = setUp()
  const counts = new Map<string, number>()
  const names = ['a', 'b', 'c', 'd']
  for (const id of names) await join(id)
  const work = async (id: string): Promise<void> => {
    for (;;) {
      const [leased] = await poll(id, 10 * minute)
      if (!leased) return
      counts.set(id, (counts.get(id) ?? 0) + 1)
      await answer(engine, leased)
    }
  }
  const loops = names.map(work)
  for (let round = 0; round < 40; round += 1) {
    await fleet.time.settle()
    await job()
    await fleet.time.settle()
  }
  expect([...counts.values()]).toEqual([10, 10, 10, 10])
  await engine.stop()
  await Promise.all(loops)
})

test('sticky: a task waits for the worker that it names, and is anybody’s when that one leaves, drains, or could not do it', async () => {
  const needs: Needs = { workers: ['mine'] }
  for (const end of ['deregister', 'drain', 'forget'] as const) {
    const { fleet, engine, job, join, poll } = setUp()
    await join('mine')
    await join('other')
    const parked = poll('other', 5 * minute)
    await job({ needs })
    await fleet.time.pass(minute)
    expect(await poll('other')).toEqual([])
    if (end === 'deregister') await engine.deregister('mine')
    if (end === 'drain') await engine.drain('mine', true)
    if (end === 'forget') await engine.heartbeat('mine', { supported_skills: [] })
    const before = fleet.time.now()
    expect(await fleet.time.during(parked)).toHaveLength(1)
    expect(fleet.time.now()).toBe(before)
  }
  const { fleet, answers, job, join, poll } = setUp()
  await join('other')
  await join('mine')
  void poll('other', minute)
  void poll('mine', minute)
  await fleet.time.settle()
  await job({ needs })
  await fleet.time.settle()
  expect([...answers.keys()]).toEqual(['mine'])
})

test('a worker that dies is no reason to wait: when its listing ends, its tasks are anybody’s', async () => {
  const { fleet, join, job, poll } = setUp({ settings: { workerTtlMs: minute } })
  await join('other')
  await fleet.time.pass(1_000)
  await join('mine')
  const parked = poll('other', 60 * minute)
  await job({ needs: { workers: ['mine'] } })
  const before = fleet.time.now()
  expect(await fleet.time.during(parked)).toHaveLength(1)
  expect(fleet.time.now() - before).toBeLessThanOrEqual(minute + 6_000)
})

test('a worker that failed is not asked again where the next try is to go elsewhere, and the others are, at once', async () => {
  const { fleet, engine, answers, job, join, poll } = setUp()
  await join('a')
  const { id } = await job({ elsewhere: true })
  const [first] = await poll('a')
  if (!first) throw new Error('it fits')
  await join('b')
  void poll('a', 10 * minute)
  void poll('b', 10 * minute)
  answers.clear()
  await answer(engine, first, failure('TRANSIENT_ERROR'))
  await fleet.time.until(() => answers.get('b') !== undefined)
  expect(answers).toEqual(new Map([['b', [id]]]))
})

test('slots by skill: no more of a skill than asked for, no more in all than asked for', async () => {
  const two = blueprint({ name: 'two' })
    .state('start', { start: true, to: ['done'] }, ({ dispatch, input }) =>
      dispatch(String(input.skill), {}, { on: { success: 'done' } }),
    )
    .end('done')
  const fleet = createFleet([two])
  const engine = fleet.engine({ registers: false })
  await engine.register({ id: 'w', bootId: null, skills: ['a', 'b', 'c'], info: {} })
  for (const skill of ['a', 'a', 'a', 'b', 'b', 'b', 'c', 'c', 'c']) await create(engine, 'two', { input: { skill } })
  const taken = async (max: number, perSkill: Record<string, number>): Promise<string> => {
    const leases = await engine.take({ worker: 'w', max, perSkill, waitMs: 0 })
    await engine.release(leases)
    return leases
      .map((lease) => lease.task.skill)
      .sort()
      .join('')
  }
  expect(await taken(9, { a: 1, b: 2 })).toBe('abbccc')
  expect(await taken(9, { a: 0, b: 0, c: 1 })).toBe('c')
  for (let round = 0; round < 6; round += 1) expect(await taken(2, { a: 1, b: 1 })).toHaveLength(2)
  const seen = new Set<string>()
  for (let round = 0; round < 6; round += 1) seen.add(await taken(1, { a: 1, b: 1, c: 1 }))
  expect([...seen].sort()).toEqual(['a', 'b', 'c'])
})

test('explain: worker by worker what is missing, and whether anybody could do it at all', async () => {
  const { engine, job, join } = setUp()
  await join('small', gpu(8))
  await join('drained', gpu(80))
  await join('leaving', { ...gpu(80), status: 'draining' })
  await engine.drain('drained', true)
  const queue = queueName({ skill: 'work', needs: needGpu(24), strategy: 'default' })
  await job({ needs: needGpu(24) })
  const { possible, workers } = await engine.explain(queue)
  expect(possible).toBe(false)
  expect(workers).toEqual([
    { id: 'drained', why: 'is drained' },
    { id: 'leaving', why: 'is about to leave' },
    { id: 'small', why: 'has no device with type "gpu", vram_gb 24' },
  ])
  await join('big', gpu(48))
  expect(await engine.explain(queue)).toMatchObject({ possible: true, rateLimited: false, queue: { skill: 'work' } })
  const named = queueName({ skill: 'work', needs: { workers: ['big'] }, strategy: 'default' })
  expect((await engine.explain(named)).workers.find(({ id }) => id === 'small')?.why).toBe(
    'is not one of the workers named: big',
  )
  await expect(engine.explain('[no queue')).rejects.toMatchObject({ code: 'INVALID_QUERY' })
})

test('polls cost no read of the Store: what is known of workers and queues is kept', async () => {
  const fleet = createFleet([choosy])
  const reads: string[] = []
  const counting = new Proxy(fleet.store, {
    get: (store, name: keyof Store) => {
      if (['worker', 'workers', 'queues', 'getRecords', 'listRecords'].includes(name)) reads.push(name)
      return store[name]
    },
  })
  const engine = fleet.engine({ registers: false, store: counting })
  const { join, poll } = acts(engine)
  await join('w')
  await poll('w')
  reads.length = 0
  for (let round = 0; round < 100; round += 1) await poll('w')
  expect(reads).toEqual([])
})
