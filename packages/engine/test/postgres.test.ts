/** The same engine over a real PostgreSQL: what virtual time can't show. */
import { createPostgresStore } from '@tutti/stores'
import { type TestDatabase, testDatabase } from '@tutti/stores/testing'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { blueprint, createEngine, type Engine, type EngineSettings, type Store, task } from '../src/index.ts'
import { answer, counted, create, outcomeOf, registering, single, take, takeOne } from './fleet.ts'

const wide = blueprint({ name: 'wide' })
  .state('start', { start: true, to: ['done'] }, ({ parallel }) =>
    parallel(
      Array.from({ length: 50 }, (_, at) => task('work', { at })),
      { into: 'done' },
    ),
  )
  .end('done', ({ results }) => results)

const parent = blueprint({ name: 'parent' })
  .state('start', { start: true, to: ['done'] }, ({ runBlueprint }) =>
    runBlueprint('single', {}, { on: { success: 'done' } }),
  )
  .end('done', ({ last }) => last?.data)

const patient = blueprint({ name: 'patient' })
  .state('wait', { start: true, to: ['work'] }, ({ waitForEvent }) => waitForEvent({ name: 'paid', on: 'work' }))
  .state('work', { to: ['done'] }, ({ dispatch }) =>
    dispatch('work', {}, { on: { success: 'done' }, sticky: true, resultTimeout: '1h', retry: { attempts: 1 } }),
  )
  .end('done', ({ data }) => data)

let database: TestDatabase
let engines: Engine[]
let stores: Store[]
let errors: unknown[]

beforeEach(async () => {
  database = await testDatabase()
  engines = []
  stores = []
  errors = []
})

afterEach(async () => {
  await Promise.all(engines.map((engine) => engine.stop()))
  await Promise.all(stores.map((store) => store.close()))
  await database.drop()
})

const open = async (settings: Partial<EngineSettings> = {}): Promise<Engine> => {
  const store = await createPostgresStore({ connectionString: database.connectionString })
  stores.push(store)
  const engine = createEngine({
    store,
    blueprints: [single({ attempts: 3 }), wide, parent, patient],
    settings: { safetyIntervalMs: 60_000, ...settings },
    onError: (error) => errors.push(error),
  })
  engines.push(engine)
  engine.start()
  return registering(engine)
}

const until = (check: () => Promise<void>): Promise<void> => vi.waitFor(check, { timeout: 20_000, interval: 10 })

test('a wake-up crosses instances, and results may come to either', async () => {
  const [a, b] = [await open(), await open()]
  const parked = b.take({ worker: 'w', skills: ['work'], max: 1, waitMs: 30_000 })
  const { id } = await create(a, 'single')
  const [leased] = await parked
  if (!leased) throw new Error('the task is handed out by the other instance')
  expect(await answer(b, leased, { data: { text: 'null \u0000 byte' } })).toEqual({ status: 'accepted' })
  expect(await a.job(id, 'client')).toMatchObject({ status: 'finished', output: { text: 'null \u0000 byte' } })
  expect(errors).toEqual([])
})

test('fifty results of one job hit two instances at once, twice each: each is recorded once', async () => {
  const both = [await open(), await open()] as const
  const { id } = await create(both[0], 'wide')
  const leases = await take(both[1], { max: 50 })
  expect(leases).toHaveLength(50)
  const answers = await Promise.all(
    leases.flatMap((leased) => both.map((engine) => answer(engine, leased, { data: leased.task.params.at ?? null }))),
  )
  expect(answers.filter((each) => each.status === 'accepted')).toHaveLength(50)
  expect(await both[0].job(id, null)).toMatchObject({
    status: 'finished',
    output: Array.from({ length: 50 }, (_, at) => at),
  })
  const log = await both[0].events(id, 0, 1_000)
  expect(log.map((event) => event.seq)).toEqual(log.map((_, at) => at + 1))
  expect(counted(log.map((event) => event.type))).toMatchObject({ task_finished: 50, job_finished: 1 })
})

test('a lease that runs out is found by whichever instance is left, and the task handed out again', async () => {
  // The other instance does not know of the lease: its safety look finds it.
  const [a, b] = [await open(), await open({ safetyIntervalMs: 200 })]
  const { id } = await create(a, 'single')
  await takeOne(a, { worker: 'dead', leaseMs: 50 })
  await a.stop()
  const [again] = await b.take({ worker: 'alive', skills: ['work'], max: 1, waitMs: 30_000 })
  if (!again) throw new Error('the task is handed out again')
  expect(again.task.attempt).toBe(2)
  await answer(b, again)
  expect((await b.job(id, null)).status).toBe('finished')
})

test('the same id created at once by two instances, and in one batch: one job', async () => {
  const both = [await open(), await open()] as const
  const id = crypto.randomUUID()
  const jobs = await Promise.all(Array.from({ length: 10 }, (_, at) => create(both[at % 2 ? 0 : 1], 'single', { id })))
  expect(new Set(jobs.map((job) => job.id)).size).toBe(1)
  expect(await create(both[0], 'single', { id: id.toUpperCase() })).toMatchObject({ id })
  expect(await take(both[0], { max: 20 })).toHaveLength(1)
})

test('parent and child on two instances, and a restart between', async () => {
  const [a, b] = [await open(), await open()]
  const { id } = await create(a, 'parent')
  const [leased] = await b.take({ worker: 'w', skills: ['work'], max: 1, waitMs: 30_000 })
  if (!leased) throw new Error('the child has dispatched its task')
  await Promise.all([a.stop(), b.stop()])
  const c = await open()
  expect(await answer(c, leased, { data: { pages: 3 } })).toEqual({ status: 'accepted' })
  await until(async () => expect((await c.job(id, null)).status).toBe('finished'))
  expect((await c.job(id, null)).output).toEqual({ pages: 3 })
})

test('a thousand jobs, created, taken and answered in batches by two instances, each end once', async () => {
  const both = [await open(), await open()] as const
  const specs = Array.from({ length: 500 }, () => ({ blueprint: 'single', input: {}, client: 'client' }))
  const made = (await Promise.all(both.map((engine) => engine.create(specs)))).flat()
  let answered = 0
  const work = async (engine: Engine, worker: string): Promise<void> => {
    while (answered < made.length) {
      const leases = await engine.take({ worker, skills: ['work'], max: 64, waitMs: 100 })
      const outcomes = await engine.results(leases.map((leased) => outcomeOf(leased)))
      answered += outcomes.filter((each) => each.status === 'accepted').length
    }
  }
  await Promise.all(both.flatMap((engine, at) => [work(engine, `w${at}-1`), work(engine, `w${at}-2`)]))
  expect(answered).toBe(made.length)
  let cursor: string | null = null
  const finished = new Set<string>()
  do {
    const query = { client: 'client', status: 'finished' as const, limit: 300, ...(cursor === null ? {} : { cursor }) }
    const page: Awaited<ReturnType<Engine['jobs']>> = await both[0].jobs(query)
    for (const job of page.jobs) finished.add(job.id)
    cursor = page.cursor
  } while (cursor !== null)
  expect(finished.size).toBe(made.length)
  expect(errors).toEqual([])
})

test('delayed, paused, woken by one event sent twice, set aside, and forked: across two instances', async () => {
  const [a, b] = [await open(), await open()]
  const webhook = { url: 'https://example.test/hook', events: null }
  const { id, status } = await create(a, 'patient', { delayMs: 200, webhook })
  expect(status).toBe('pending')
  await until(async () => expect((await b.job(id, null)).status).toBe('waiting_for_event'))
  await b.pause(id, 'client', 'me')
  const signal = { id: 's-1', name: 'paid', data: 3 }
  await Promise.all([a.signal(id, 'client', signal), b.signal(id, 'client', signal)])
  expect(await a.job(id, null)).toMatchObject({ status: 'paused', state: 'work', last: { data: 3 } })
  expect((await a.resume(id, 'client', 'me')).status).toBe('waiting_for_worker')
  const leased = await takeOne(b)
  await answer(a, leased, { status: 'failure', error: { code: 'PERMANENT_ERROR', message: 'no' } })
  const fork = await b.fork(id, 'client', { by: 'me', data: { tried: 2 } })
  expect(fork).toMatchObject({ state: 'work', last: { data: 3 }, data: { tried: 2 } })
  await answer(b, await takeOne(a))
  expect(await a.job(fork.id, null)).toMatchObject({ status: 'finished', output: { tried: 2 } })
  const told = await Promise.all([id, fork.id].map((ref) => stores[0]?.listRecords({ kind: 'webhook', ref, limit: 9 })))
  expect(told.map((records) => records?.map(({ body }) => body.event))).toEqual([['job_quarantined'], ['job_finished']])
  expect(counted((await a.events(id, 0, 99)).map((event) => event.type))).toMatchObject({ signal_received: 1 })
  expect(errors).toEqual([])
})
