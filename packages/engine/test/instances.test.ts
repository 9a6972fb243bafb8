import { expect, test } from 'vitest'
import { blueprint, createEngine, type Engine, task } from '../src/index.ts'
import { answer, counted, create, createFleet, failure, logOf, single, take, takeOne } from './fleet.ts'

const wide = (width: number) =>
  blueprint({ name: 'wide' })
    .state('start', { start: true, to: ['done'] }, ({ parallel }) =>
      parallel(
        Array.from({ length: width }, (_, at) => task('work', { at })),
        { into: 'done' },
      ),
    )
    .end('done', ({ results }) => results)

test('a poll parked on one instance gets the task that another one makes, without any time passing', async () => {
  const fleet = createFleet([single()])
  const [engine, other] = [fleet.engine(), fleet.engine()]
  const parked = other.take({ worker: 'w', skills: ['work'], max: 1, waitMs: 60_000 })
  await fleet.time.settle()
  const before = fleet.time.now()
  const { id } = await create(engine, 'single')
  const [leased] = await fleet.time.during(parked)
  expect(leased?.task.jobId).toBe(id)
  expect(fleet.time.now()).toBe(before)
})

test('a result may come to any instance; who watches on another one hears of it', async () => {
  const fleet = createFleet([single()])
  const [engine, other] = [fleet.engine(), fleet.engine()]
  const { id } = await create(engine, 'single')
  let heard = 0
  const stop = engine.watch(id, () => {
    heard += 1
  })
  await fleet.time.settle()
  heard = 0
  const leased = await takeOne(engine)
  expect(await answer(other, leased)).toEqual({ status: 'accepted' })
  await fleet.time.settle()
  expect(heard).toBe(1)
  expect((await engine.job(id, null)).status).toBe('finished')
  stop()
})

test('fifty results of one job hit two instances at once: each is recorded once', async () => {
  const fleet = createFleet([wide(50)])
  const engines = [fleet.engine(), fleet.engine()]
  const { id } = await create(engines[0] as Engine, 'wide')
  const leases = await take(engines[1] as Engine, { max: 50 })
  // Each result goes to both, as from a worker that got no answer from the first.
  const answers = await Promise.all(
    leases.flatMap((leased) =>
      engines.map((engine) => answer(engine, leased, { data: leased.task.params.at ?? null })),
    ),
  )
  expect(answers.filter((each) => each.status === 'accepted')).toHaveLength(50)
  const job = await (engines[0] as Engine).job(id, null)
  expect(job).toMatchObject({ status: 'finished', output: Array.from({ length: 50 }, (_, at) => at) })
  const log = await (engines[0] as Engine).events(id, 0, 1_000)
  expect(log.map((event) => event.seq)).toEqual(log.map((_, at) => at + 1))
  expect(counted(log.map((event) => event.type))).toMatchObject({
    task_finished: 50,
    parallel_finished: 1,
    job_finished: 1,
  })
})

test('results, failures, progress and a cancellation from both sides at once leave one story', async () => {
  for (let round = 0; round < 20; round += 1) {
    const fleet = createFleet([wide(12)])
    const engines = [fleet.engine(), fleet.engine()] as const
    const { id } = await create(engines[0], 'wide')
    const leases = await take(engines[0], { max: 12 })
    const done = await Promise.allSettled([
      ...leases.map((leased, at) =>
        answer(engines[at % 2 ? 0 : 1], leased, at % 3 ? {} : failure(at % 2 ? 'TRANSIENT_ERROR' : 'PERMANENT_ERROR')),
      ),
      ...leases.map(({ task: { id: taskId } }) =>
        engines[1].progress({ worker: 'worker', jobId: id, taskId, progress: 0.1, message: null }),
      ),
      ...(round % 2 ? [engines[1].cancel(id, null, 'me', null)] : []),
    ])
    expect(done.every((each) => each.status === 'fulfilled')).toBe(true)
    const log = await engines[0].events(id, 0, 1_000)
    expect(log.map((event) => event.seq)).toEqual(log.map((_, at) => at + 1))
    const ends = log.filter((event) => event.type.startsWith('job_') && event.type !== 'job_created')
    expect(ends.length).toBeLessThanOrEqual(1)
    if (ends[0]) expect(log.at(-1)).toEqual(ends[0])
  }
})

test('each step is answered on the other instance: what one remembers of the job is not taken for the truth', async () => {
  const steps = blueprint({ name: 'steps' })
    .state('one', { start: true, to: ['two'] }, ({ dispatch }) => dispatch('work', {}, { on: { success: 'two' } }))
    .state('two', { to: ['three'] }, ({ dispatch }) => dispatch('work', {}, { on: { success: 'three' } }))
    .state('three', { to: ['done'] }, ({ dispatch }) => dispatch('work', {}, { on: { success: 'done' } }))
    .end('done')
  const fleet = createFleet([steps])
  const engines = [fleet.engine(), fleet.engine()] as const
  const { id } = await create(engines[0], 'steps')
  for (const at of [1, 0, 1] as const)
    expect(await answer(engines[at], await takeOne(engines[at]))).toEqual({ status: 'accepted' })
  expect((await engines[0].job(id, null)).status).toBe('finished')
  await expect(engines[0].cancel(id, null, 'me', null)).rejects.toMatchObject({ code: 'JOB_TERMINAL' })
})

test('the same id created at once, on one instance and on two, is created once, and all are answered with it', async () => {
  const fleet = createFleet([single()])
  const engines = [fleet.engine(), fleet.engine()]
  const id = crypto.randomUUID()
  const creations = Array.from({ length: 8 }, (_, at) => create(engines[at % 2] as Engine, 'single', { id }))
  // Others who travel in the same batches must not suffer.
  const others = Array.from({ length: 4 }, (_, at) => create(engines[at % 2] as Engine, 'single'))
  const jobs = await Promise.all(creations)
  expect(new Set(jobs.map((job) => job.id))).toEqual(new Set([id]))
  await Promise.all(others)
  expect(await take(engines[0] as Engine, { max: 20 })).toHaveLength(5)
  expect(counted(await logOf(engines[0] as Engine, jobs[0] as (typeof jobs)[number]))).toEqual({
    job_created: 1,
    task_queued: 1,
  })
})

test('an id that belongs to another client can not be used, and is not told of', async () => {
  const fleet = createFleet([single()])
  const engine = fleet.engine()
  const { id } = await create(engine, 'single', { client: 'owner' })
  const taken = create(engine, 'single', { id, client: 'stranger' })
  await expect(taken).rejects.toMatchObject({ code: 'INVALID_BODY', path: 'body.id' })
  await expect(taken).rejects.not.toThrow(/owner|exists/)
  const twice = engine.create([1, 2].map(() => ({ id, blueprint: 'single', input: {}, client: 'owner' })))
  await expect(twice).rejects.toMatchObject({ code: 'INVALID_BODY', path: 'body.jobs' })
})

test('an instance dies in the moment in which it settles the end of a lease: another one does it within seconds', async () => {
  const fleet = createFleet([single()])
  const { store } = fleet
  const dead = Promise.withResolvers<never>()
  dead.promise.catch(() => {})
  let diedAt: number | undefined
  // Whichever comes first dies with what it has taken: nothing of it is heard any more.
  const mortal = () => {
    let alive = true
    return fleet.engine({
      store: {
        ...store,
        commit: (changes) => {
          if (diedAt === undefined && changes.some(({ requeue }) => requeue.length > 0)) {
            diedAt = store.now()
            alive = false
          }
          return alive ? store.commit(changes) : dead.promise
        },
      },
    })
  }
  const engines = [mortal(), mortal()]
  const { id } = await create(engines[0] as Engine, 'single')
  await take(engines[0] as Engine, { leaseMs: 5_000 })
  const events = async () => (await store.events(id, 0, 100)).map(({ type }) => type)
  await fleet.time.until(async () => (await events()).includes('task_retried'))
  dead.reject(new Error('dead'))
  expect(store.now() - (diedAt ?? 0)).toBeLessThanOrEqual(3_500)
})

test('stopping answers parked polls, lets slow handlers finish, and leaves nothing running', async () => {
  const slow = blueprint({ name: 'slow' })
    .state('one', { start: true, to: ['two'] }, async ({ goTo }) => {
      await new Promise<void>((resolve) => fleet.time.after(1_000, resolve))
      return goTo('two')
    })
    .state('two', { to: ['done'] }, async ({ goTo }) => {
      await new Promise<void>((resolve) => fleet.time.after(1_000, resolve))
      return goTo('done', { both: true })
    })
    .end('done', ({ data }) => data)
  const fleet = createFleet([slow, single()])
  const engine = fleet.engine()
  const { id } = await fleet.time.during(create(engine, 'slow'))
  // Far away: what waits for it must not keep the process alive.
  await create(engine, 'single', { deadlineMs: 86_400_000 * 10 })
  const parked = engine.take({ worker: 'w', skills: ['nothing'], max: 1, waitMs: 600_000 })
  await fleet.time.settle()
  await fleet.time.during(engine.stop())
  expect(await parked).toEqual([])
  expect((await fleet.store.job([id]))[0]).toMatchObject({ status: 'finished', output: { both: true } })
  expect(fleet.time.pending()).toBe(0)
  await engine.stop()
})

test('an engine that was never started leaves nothing running either', async () => {
  const fleet = createFleet([single()])
  const engine = fleet.engine({ start: false })
  await create(engine, 'single', { deadlineMs: 86_400_000 })
  await take(engine)
  await engine.stop()
  expect(fleet.time.pending()).toBe(0)
})

test('faulty blueprints keep an engine from being made at all', () => {
  const fleet = createFleet([])
  expect(() => createEngine({ store: fleet.store, blueprints: [blueprint({ name: 'empty' })] })).toThrow(
    /no state is the start/,
  )
})
