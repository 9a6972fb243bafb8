/** Random workers, needs, strategies and arrivals, over two instances: what must hold whatever happens. */
import type { JsonObject } from '@tutti/contracts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fits } from '../src/hand-out/fits.ts'
import { blueprint, type Engine, type LeasedTask, type Needs, parseQueue, strategies } from '../src/index.ts'
import { capabilitiesOf } from '../src/workers/capabilities.ts'
import { answer, create, createFleet, failure } from './fleet.ts'

const skills = ['paint', 'render']
const minute = 60_000

/** Nobody loses trust: a named worker that has failed too often would give way to others, as it should. */
const trusting = { reputation: { reward: 0, failurePenalty: 0, violationPenalty: 0, minimum: 0 } }

interface Told {
  skills: string[]
  info: JsonObject
}
interface Wish {
  skill: string
  needs: Needs
  strategy: string
  at: number
  fairKey: string
}

const told: fc.Arbitrary<Told> = fc.record({
  skills: fc.subarray(skills, { minLength: 1 }),
  info: fc
    .record({
      devices: fc.array(fc.record({ type: fc.constantFrom('gpu', 'tpu'), vram: fc.constantFrom(8, 24) }), {
        maxLength: 2,
      }),
      zone: fc.constantFrom('eu', 'us'),
      price: fc.option(fc.integer({ min: 0, max: 3 })),
      hot: fc.subarray(skills),
    })
    .map(
      ({ devices, zone, price, hot }): JsonObject => ({
        resources: { devices: devices.map(({ type, vram }) => ({ type, properties: { vram } })) },
        labels: { zone },
        hot_skills: hot,
        ...(price === null ? {} : { cost: price }),
      }),
    ),
})

const names = ['w0', 'w1', 'w2', 'w3']
const wish: fc.Arbitrary<Wish> = fc.record({
  skill: fc.constantFrom(...skills),
  needs: fc.record(
    {
      devices: fc.array(
        fc.record(
          { type: fc.constantFrom('gpu', 'tpu'), properties: fc.record({ vram: fc.constantFrom(8, 24) }) },
          { requiredKeys: [] },
        ),
        { minLength: 1, maxLength: 2 },
      ),
      labels: fc.record({ zone: fc.constantFrom('eu', 'us') }),
      maxCost: fc.integer({ min: 0, max: 3 }),
      workers: fc.subarray(names, { minLength: 1, maxLength: 1 }),
      notWorkers: fc.subarray(names, { minLength: 1, maxLength: 2 }),
    },
    { requiredKeys: [] },
  ),
  strategy: fc.constantFrom(...strategies),
  at: fc.integer({ min: 0, max: 20_000 }),
  fairKey: fc.constantFrom('a', 'b'),
})

const wishing = blueprint({ name: 'wishing' })
  .state('start', { start: true, to: ['done', 'failed'] }, ({ dispatch, input }) => {
    const { skill, needs, strategy, fairKey } = input as unknown as Wish
    return dispatch(
      skill,
      {},
      {
        on: { success: 'done', failure: 'failed' },
        needs,
        strategy: strategy as 'default',
        fairKey,
        retry: { attempts: 5, initial: '100ms' },
      },
    )
  })
  .end('done')
  .end('failed', { outcome: 'failed' })

test('no task goes to a worker that does not fit; each that somebody fits is done in the end; none is lost because nobody was idle', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(told, { minLength: 1, maxLength: 4 }),
      fc.array(wish, { minLength: 1, maxLength: 20 }),
      fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
      async (workers, wishes, chances) => {
        const chance = (): number => chances.next().value as number
        const fleet = createFleet([wishing])
        const engines = [0, 1].map(() => fleet.engine({ registers: false, settings: trusting })) as [Engine, Engine]
        const any = (): Engine => engines[chance() < 0.5 ? 0 : 1]
        const ofWorkers = new Map(workers.map((worker, at) => [`w${at}`, worker]))
        const suits = (id: string, { skill, needs }: Pick<Wish, 'skill' | 'needs'>): boolean => {
          const worker = ofWorkers.get(id)
          if (!worker || needs.notWorkers?.includes(id)) return false
          return fits({ skill, needs, strategy: 'default' }, capabilitiesOf(worker))
        }
        for (const [id, worker] of ofWorkers) await any().register({ id, bootId: id, ...worker })

        let over = false
        const wrong: LeasedTask[] = []
        const sleep = (ms: number): Promise<void> => new Promise((resolve) => fleet.time.after(ms, () => resolve()))
        const work = async (id: string): Promise<void> => {
          while (!over) {
            const leases = await any().take({ worker: id, max: chance() < 0.3 ? 3 : 1, waitMs: 10_000 })
            for (const lease of leases) {
              const queue = parseQueue(lease.task.queue)
              const named = (queue.needs.workers ?? []).some((each) => suits(each, queue))
              if (!suits(id, queue) || (named && !queue.needs.workers?.includes(id))) wrong.push(lease)
              await sleep(chance() * 2_000)
              await answer(any(), lease, chance() < 0.1 ? failure('TRANSIENT_ERROR') : {})
            }
          }
        }
        const loops = [...ofWorkers.keys()].map(work)
        const made = wishes.map(async (each) => {
          await sleep(each.at)
          const { id } = await create(any(), 'wishing', { input: each as unknown as JsonObject })
          return { id, possible: names.some((name) => suits(name, each)) }
        })
        const jobs = await fleet.time.during(Promise.all(made))
        const done = async (): Promise<boolean> => {
          const states = await fleet.store.job(jobs.filter(({ possible }) => possible).map(({ id }) => id))
          return states.every((job) => job?.status !== 'waiting_for_worker')
        }
        await fleet.time.until(done)
        over = true
        for (const loop of loops) await fleet.time.during(loop)

        expect(wrong).toEqual([])
        const states = await fleet.store.job(jobs.map(({ id }) => id))
        states.forEach((job, at) => {
          if (!jobs[at]?.possible) expect(job?.status).toBe('waiting_for_worker')
          else expect(job?.status).toMatch(/^(finished|failed)$/)
        })
        expect(fleet.errors).toEqual([])
        await Promise.all(engines.map((engine) => fleet.time.during(engine.stop())))
      },
    ),
    { numRuns: 40 },
  )
})

test('a hundred tasks of one do not delay another’s three: keys take turns, whichever instance is asked', async () => {
  const fleet = createFleet([wishing])
  const engines = [0, 1].map(() => fleet.engine({ registers: false })) as [Engine, Engine]
  await engines[0].register({ id: 'w', bootId: null, skills: ['paint'], info: {} })
  const input = (fairKey: string): JsonObject => ({ skill: 'paint', needs: {}, strategy: 'default', fairKey })
  for (let at = 0; at < 100; at += 1) await create(engines[0], 'wishing', { input: input('many') })
  for (let at = 0; at < 3; at += 1) await create(engines[1], 'wishing', { input: input('few') })
  const keys: string[] = []
  for (let at = 0; at < 6; at += 1) {
    const [leased] = await (engines[at % 2] as Engine).take({ worker: 'w', max: 1, waitMs: 0 })
    if (leased) keys.push(leased.task.fairKey)
  }
  expect(keys.filter((key) => key === 'few')).toHaveLength(3)
})

test('a thousand polls of workers that are alike: what one task costs is one look', async () => {
  const fleet = createFleet([wishing])
  let looks = 0
  const store = {
    ...fleet.store,
    leaseTasks: (requests: Parameters<typeof fleet.store.leaseTasks>[0]) => {
      looks += requests.length
      return fleet.store.leaseTasks(requests)
    },
  }
  const engine = fleet.engine({ registers: false, store, settings: { safetyIntervalMs: 60 * minute } })
  const parked: Promise<LeasedTask[]>[] = []
  for (let at = 0; at < 1_000; at += 1) {
    await engine.register({ id: `w${at}`, bootId: null, skills: ['paint'], info: {} })
    parked.push(engine.take({ worker: `w${at}`, max: 1, waitMs: 60 * minute }))
  }
  await fleet.time.settle()
  looks = 0
  await create(engine, 'wishing', { input: { skill: 'paint', needs: {}, strategy: 'default', fairKey: 'a' } })
  await fleet.time.settle()
  // The one that gets it, one that looks whether there is more, and one for the clock that has been told of a lease.
  expect(looks).toBeLessThanOrEqual(4)
  await engine.stop()
  expect((await Promise.all(parked)).flat()).toHaveLength(1)
})
