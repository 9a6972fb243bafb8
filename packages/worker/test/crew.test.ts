/** One worker for several orchestrators. */
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { type CrewOptions, createCrew } from '../src/index.ts'
import { createTurns } from '../src/turns.ts'
import { aTask } from './support/fake-orchestrator.ts'
import { echo, fakeOrchestrator, gatedSkill, until } from './support/setup.ts'

const startCrew = async (options: Pick<CrewOptions, 'orchestrators' | 'mode'> & Partial<CrewOptions>) => {
  const crew = createCrew({
    token: 'a-token',
    id: 'worker-1',
    skills: { echo },
    webSocket: false,
    backoff: { firstMs: 1, maxMs: 5 },
    ...options,
  })
  onTestFinished(() => crew.stop().catch(() => {}))
  await crew.start()
  return crew
}

const never = new AbortController().signal
/** Lets each member ask again as soon as its turn is over, and tells who was asked. */
const play = async (
  turns: ReturnType<typeof createTurns>,
  rounds: number,
  has: (at: number, round: number) => boolean,
) => {
  const asked: number[] = []
  const ask = async (at: number): Promise<void> => {
    while (asked.length < rounds) {
      const end = await turns[at]?.take(never)
      const found = has(at, asked.length)
      asked.push(at)
      end?.(found)
    }
  }
  await Promise.race(turns.map((_, at) => ask(at)))
  return asked.slice(0, rounds)
}

test('round robin: turns in proportion to the weights, and spread', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 }), async (weights) => {
      const turns = createTurns(
        'round_robin',
        weights.map((weight) => ({ priority: 10, weight })),
      )
      const total = weights.reduce((a, b) => a + b)
      // Who asks first is served before the others have come.
      const asked = (await play(turns, total * 3 + 4, () => true)).slice(4)
      for (const [at, weight] of weights.entries()) {
        const count = asked.filter((each) => each === at).length
        expect(Math.abs(count - weight * 3), String(weights)).toBeLessThanOrEqual(2)
      }
    }),
    { numRuns: 30 },
  )
})

test('waterfall: the next one is asked only when those before it had nothing', async () => {
  const members = [
    { priority: 20, weight: 1 },
    { priority: 10, weight: 1 },
    { priority: 30, weight: 1 },
  ]
  const busy = await play(createTurns('waterfall', members), 10, (at) => at === 1)
  expect(busy.slice(2).every((at) => at === 1)).toBe(true)
  const idle = await play(createTurns('waterfall', members), 12, () => false)
  expect(idle.slice(3, 9)).toEqual([...idle.slice(6, 9), ...idle.slice(6, 9)])
  expect(new Set(idle.slice(6, 9))).toEqual(new Set([0, 1, 2]))
})

test('tasks of both are done, each answered where it came from, and the slots are shared', async () => {
  const [first, second] = [await fakeOrchestrator(), await fakeOrchestrator()]
  const gated = gatedSkill()
  await startCrew({
    mode: 'round_robin',
    concurrency: 1,
    pollSeconds: 1,
    skills: { gated: gated.skill },
    orchestrators: [{ url: first.url }, { url: second.url }],
  })
  const [one, other] = [aTask({ type: 'gated' }), aTask({ type: 'gated' })]
  await until(() => first.registrations.length === 1 && second.registrations.length === 1)
  await until(() => first.parkedPolls() + second.parkedPolls() === 1)
  // The one that is not asked at this moment has work: the poll of the other must end before it is.
  const [busy, idle] = first.parkedPolls() === 1 ? [first, second] : [second, first]
  busy.enqueue(one)
  await until(() => gated.started.length === 1)
  idle.enqueue(other)
  expect(idle.leased.size).toBe(0)
  gated.release(one.task_id)
  await until(() => gated.started.length === 2)
  gated.release(other.task_id)
  await until(() => busy.accepted.length === 1 && idle.accepted.length === 1)
})

test('one-orchestrator-is-away: the other is served, and it is refused by nobody', async () => {
  const server = await fakeOrchestrator()
  const crew = await startCrew({
    mode: 'waterfall',
    orchestrators: [
      { url: 'http://127.0.0.1:9', priority: 1 },
      { url: server.url, priority: 2 },
    ],
  })
  server.enqueue(aTask(), aTask())
  await until(() => server.accepted.length === 2)
  await crew.drain()
})

test('all: each is polled at the same time for its share of the slots, and together they never exceed them', async () => {
  const servers = [await fakeOrchestrator(), await fakeOrchestrator()] as const
  const gated = gatedSkill()
  await startCrew({
    orchestrators: servers.map(({ url }) => ({ url })),
    mode: 'all',
    concurrency: 4,
    skills: { work: gated.skill },
  })
  await until(() => servers.every((server) => server.parkedPolls() === 1))
  expect(servers.map(({ polls }) => polls[0])).toEqual([2, 2])
  const tasks = Array.from({ length: 6 }, () => aTask({ type: 'work' }))
  servers[0].enqueue(...tasks.slice(0, 5))
  servers[1].enqueue(...tasks.slice(5))
  await until(() => gated.started.length === 4)
  expect(servers[0].mostLeased() + servers[1].mostLeased()).toBe(4)
  for (const { task_id } of tasks) {
    await until(() => gated.started.includes(task_id))
    gated.release(task_id)
  }
  await until(() => servers[0].accepted.length === 5 && servers[1].accepted.length === 1)
})
