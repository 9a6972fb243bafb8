/** Rates: so many hand-outs of a skill over all instances, and no drawing in a loop. */
import { expect, test } from 'vitest'
import { blueprint, type Draw, type Store } from '../src/index.ts'
import { create, createFleet } from './fleet.ts'

const second = 1_000

const two = blueprint({ name: 'two' })
  .state('start', { start: true, to: ['done'] }, ({ dispatch, input }) =>
    dispatch(String(input.skill), {}, { on: { success: 'done' } }),
  )
  .end('done')

const setUp = async (skillRates: Record<string, { count: number; perMs: number }>) => {
  const fleet = createFleet([two])
  const draws: Draw[] = []
  const store: Store = {
    ...fleet.store,
    draw: (asked) => {
      draws.push(...asked)
      return fleet.store.draw(asked)
    },
  }
  const engines = [0, 1].map(() => fleet.engine({ store, registers: false, settings: { skillRates } }))
  const [engine, other] = engines
  if (!engine || !other) throw new Error('there are two')
  const join = (id: string) => engine.register({ id, bootId: null, skills: ['slow', 'fast'], info: {} })
  const jobs = async (skill: string, count: number) => {
    for (let at = 0; at < count; at += 1) await create(engine, 'two', { input: { skill } })
  }
  return { fleet, engine, other, engines, draws, join, jobs }
}

test('a limited skill is handed out at its rate, over all instances; others go on meanwhile', async () => {
  const { fleet, engine, other, join, jobs } = await setUp({ slow: { count: 3, perMs: 30 * second } })
  await join('w')
  await jobs('slow', 12)
  await jobs('fast', 5)
  const began = fleet.time.now()
  expect(await engine.take({ worker: 'w', max: 20, waitMs: 0 })).toHaveLength(3 + 5)
  expect(await other.take({ worker: 'w', max: 20, waitMs: 0 })).toEqual([])
  const handedOutAt: number[] = []
  while (handedOutAt.length < 9) {
    const at = handedOutAt.length % 2 === 0 ? engine : other
    const leases = await fleet.time.during(at.take({ worker: 'w', max: 20, waitMs: 600 * second }))
    for (const _ of leases) handedOutAt.push(fleet.time.now() - began)
  }
  // One every ten seconds, and never earlier.
  handedOutAt.forEach((instant, at) => {
    expect(instant).toBeGreaterThanOrEqual((at + 1) * 10 * second - 1)
    expect(instant).toBeLessThanOrEqual((at + 1) * 10 * second + 5 * second)
  })
})

test('permits that were not needed go back', async () => {
  const { engine, join, jobs } = await setUp({ slow: { count: 4, perMs: 3_600 * second } })
  await join('w')
  for (let round = 0; round < 10; round += 1) expect(await engine.take({ worker: 'w', max: 4, waitMs: 0 })).toEqual([])
  await jobs('slow', 4)
  const leases = await engine.take({ worker: 'w', max: 3, waitMs: 0 })
  expect(leases).toHaveLength(3)
  // Given back untried: as if they had never been handed out.
  await engine.release(leases)
  expect(await engine.take({ worker: 'w', max: 4, waitMs: 0 })).toHaveLength(4)
})

test('a bucket that is empty is not drawn from in a loop, however many polls are parked', async () => {
  const { fleet, engine, draws, join, jobs } = await setUp({ slow: { count: 1, perMs: 60 * second } })
  const names = Array.from({ length: 50 }, (_, at) => `w${at}`)
  for (const id of names) await join(id)
  await jobs('slow', 3)
  const parked = names.map((worker) => engine.take({ worker, skills: ['slow'], max: 1, waitMs: 59 * second }))
  await fleet.time.settle()
  draws.length = 0
  await fleet.time.pass(30 * second)
  // Looked at every five seconds at most, by one poll, and by one that waits in vain for the first.
  expect(draws.length).toBeLessThanOrEqual(2 * 7)
  await fleet.time.pass(60 * second)
  const taken = await Promise.all(parked)
  expect(taken.flat()).toHaveLength(1)
})

test('the rate of a skill that nobody limits costs no draw at all', async () => {
  const { engine, draws, join, jobs } = await setUp({ other: { count: 1, perMs: second } })
  await join('w')
  await jobs('fast', 1)
  expect(await engine.take({ worker: 'w', max: 1, waitMs: 0 })).toHaveLength(1)
  expect(draws).toEqual([])
})
