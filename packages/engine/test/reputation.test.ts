/** Reputation: earned by results, kept over registrations, and never a reason for a task to wait for ever. */
import { expect, test } from 'vitest'
import { createHandOutStation } from '../src/hand-out/station.ts'
import { defaultSettings, type Engine, type Store, type StoredRecord } from '../src/index.ts'
import { createReputation } from '../src/workers/reputation.ts'
import { answer, create, createFleet, failure, single } from './fleet.ts'
import { createTime } from './time.ts'

const minute = 60_000
const steep = { reputation: { reward: 0.1, failurePenalty: 0.25, violationPenalty: 0.5, minimum: 0.5 } }

const setUp = () => {
  const fleet = createFleet([single({ attempts: 100 })])
  const engines = [0, 1].map(() => fleet.engine({ registers: false, settings: steep })) as [Engine, Engine]
  const [engine] = engines
  const join = (id: string) => engine.register({ id, bootId: null, skills: ['work'], info: {} })
  const take = (worker: string, at: Engine = engine) => at.take({ worker, max: 1, waitMs: 0 })
  /** The worker gets a task and answers it. */
  const work = async (worker: string, patch = {}) => {
    await create(engine, 'single')
    const [leased] = await fleet.time.during(engine.take({ worker, max: 1, waitMs: 10 * minute }))
    if (!leased) throw new Error('there is one')
    return answer(engine, leased, patch)
  }
  const score = async (worker: string, at: Engine = engine) => (await at.worker(worker))?.reputation
  return { fleet, engines, engine, join, take, work, score }
}

test('a new worker has 1; failures and breaches cost, success earns, a faulty input is nobody’s fault', async () => {
  const { join, work, score } = setUp()
  await join('w')
  expect(await score('w')).toBe(1)
  await work('w')
  expect(await score('w')).toBe(1)
  await work('w', failure('PERMANENT_ERROR'))
  expect(await score('w')).toBe(0.75)
  await work('w', failure('INVALID_INPUT_ERROR'))
  await work('w', { status: 'a_way_of_its_own' })
  expect(await score('w')).toBe(0.85)
  await work('w', failure('CONTRACT_VIOLATION_ERROR'))
  expect(await score('w')).toBe(0.35)
  await work('w', failure('CONTRACT_VIOLATION_ERROR'))
  expect(await score('w')).toBe(0)
})

test('it outlives the registration and the instance, and is known to the others', async () => {
  const { fleet, engines, engine, join, work, score } = setUp()
  await join('w')
  await work('w', failure('PERMANENT_ERROR'))
  await fleet.time.pass(10_000)
  expect(await score('w', engines[1])).toBe(0.75)
  await engine.deregister('w')
  await join('w')
  expect(await score('w')).toBe(0.75)
  await work('w', failure('PERMANENT_ERROR'))
  await engine.stop()
  const later = fleet.engine({ registers: false, settings: steep })
  expect(await score('w', later)).toBe(0.5)
})

test('a worker below the minimum is the second choice, and gets what nobody else could do', async () => {
  const { fleet, engine, join, take, work } = setUp()
  await join('low')
  for (let round = 0; round < 3; round += 1) await work('low', failure('PERMANENT_ERROR'))
  await create(engine, 'single')
  expect(await take('low')).toHaveLength(1)
  await join('sound')
  await create(engine, 'single')
  expect(await take('low')).toEqual([])
  const parked = engine.take({ worker: 'low', max: 1, waitMs: minute })
  await fleet.time.settle()
  await engine.drain('sound', true)
  await fleet.time.settle()
  expect(await parked).toHaveLength(1)
  await engine.drain('sound', false)
  const explained = await engine.explain('work')
  expect(explained.workers.find(({ id }) => id === 'low')?.why).toMatch(/reputation of 0\.25/)
})

const ledger = () => {
  const time = createTime()
  const records = new Map<string, StoredRecord>()
  const written: StoredRecord[] = []
  let fault: 'before' | 'after' | null = null
  const store: Pick<Store, 'getRecords' | 'putRecords' | 'now'> = {
    now: time.now,
    getRecords: async (_, ids) => ids.map((id) => structuredClone(records.get(id))),
    putRecords: async (given) => {
      const failing = fault
      fault = null
      if (failing === 'before') throw new Error('not taken')
      const taken = given.map((record) => {
        if ((records.get(record.id)?.rev ?? 0) !== record.rev - 1) return false
        records.set(record.id, structuredClone(record))
        written.push(record)
        return true
      })
      if (failing === 'after') throw new Error('taken, and the answer lost')
      return taken
    },
  }
  const errors: unknown[] = []
  const open = () =>
    createReputation({
      store,
      settings: steep.reputation,
      after: time.after,
      newId: () => crypto.randomUUID(),
      onChange: () => {},
      onError: (error) => errors.push(error),
    })
  return {
    time,
    written,
    errors,
    open,
    stored: () => records.get('w')?.body.score,
    fail: (when: 'before' | 'after') => {
      fault = when
    },
  }
}

test('a thousand results are one write, and those of a worker that never fails are none', async () => {
  const { time, written, open } = ledger()
  const book = open()
  for (let round = 0; round < 1_000; round += 1) {
    book.note('w', round % 2 ? 'success' : 'failure')
    book.note('perfect', 'success')
  }
  await time.pass(10_000)
  expect(written.map(({ id, body }) => [id, body.score])).toEqual([['w', 0.1]])
  expect(time.pending()).toBe(0)
})

test('two instances write at once: what both gathered counts', async () => {
  const { time, stored, open } = ledger()
  const books = [open(), open()]
  for (const book of books) book.note('w', 'failure')
  await time.pass(10_000)
  expect(stored()).toBe(0.5)
  for (const book of books) await book.load(['w'])
  expect(books.map((book) => book.of('w'))).toEqual([0.5, 0.5])
})

test('the answer to a write is lost: it counts once, whether it was taken or not', async () => {
  for (const when of ['before', 'after'] as const) {
    const { time, stored, fail, open, errors } = ledger()
    const book = open()
    fail(when)
    book.note('w', 'failure')
    await time.pass(3_000)
    expect(errors).toHaveLength(1)
    book.note('w', 'failure')
    await time.pass(10_000)
    expect([stored(), book.of('w')]).toEqual([0.5, 0.5])
    expect(time.pending()).toBe(0)
  }
})

test('figures that come while nothing is known of workers harm nobody', async () => {
  const fleet = createFleet([])
  const station = createHandOutStation({
    store: fleet.store,
    settings: defaultSettings,
    after: fleet.time.after,
    newId: () => crypto.randomUUID(),
    expect: () => {},
    onError: (error) => {
      throw error
    },
  })
  station.heard({ records: ['reputation', 'drain'], workers: ['never-seen'] })
  await fleet.time.pass(10_000)
  await station.stop()
  await station.settle()
})
