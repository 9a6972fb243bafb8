/** How often a worker may ask. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createTokenBuckets } from '../src/http/token-bucket.ts'
import { createShrink, startServer } from './support/server.ts'

const rates = { periodMs: 60_000, poll: 3, heartbeat: 2, registration: 5, event: 2 }

const start = async (workerRates: typeof rates | null = rates) => {
  const clock = { ms: Date.now() }
  const server = await startServer({ settings: { workerRates }, parts: { now: () => clock.ms } })
  await server.worker('hand-2')
  return { server, clock }
}

test('too-many-signs-of-life: 429 with Retry-After, and being refused does not prolong it', async () => {
  const { server, clock } = await start()
  const beat = () => server.work('PATCH', '/workers/hand-2')
  expect([(await beat()).status, (await beat()).status]).toEqual([200, 200])
  for (let refused = 0; refused < 5; refused++) {
    const answer = await beat()
    expect([answer.status, answer.body.code, answer.headers.get('retry-after')]).toEqual([
      429,
      'TOO_MANY_REQUESTS',
      '30',
    ])
  }
  clock.ms += 29_000
  expect((await beat()).headers.get('retry-after')).toBe('1')
  clock.ms += 1_000
  expect((await beat()).status).toBe(200)
  // Another worker, and another kind of message, are not concerned.
  await server.worker('hand-3')
  expect((await server.work('PATCH', '/workers/hand-3')).status).toBe(200)
  expect((await server.work('GET', '/workers/hand-2/tasks/next?timeout=0')).status).toBe(204)
})

test('a worker that works is never held up: polls with a task are free, and results have no limit', async () => {
  const { server } = await start()
  for (let n = 0; n < 8; n++) {
    await createShrink(server)
    const { status, body } = await server.work('GET', '/workers/hand-2/tasks/next?timeout=0')
    expect(status).toBe(200)
    const { job_id, task_id } = body
    const answer = await server.work('POST', '/tasks/result', { worker_id: 'hand-2', job_id, task_id })
    expect(answer.body.status).toBe('accepted')
  }
  const empty = []
  for (let n = 0; n < 4; n++) empty.push((await server.work('GET', '/workers/hand-2/tasks/next?timeout=0')).status)
  expect(empty).toEqual([204, 204, 204, 429])
})

test('events and registrations have their own; without limits nothing is counted', async () => {
  const { server } = await start()
  const event = () => server.work('POST', '/events', { worker_id: 'hand-2', event_type: 'x' })
  expect([(await event()).status, (await event()).status, (await event()).status]).toEqual([200, 200, 429])
  const free = await start(null)
  for (let n = 0; n < 10; n++) expect((await free.server.work('PATCH', '/workers/hand-2')).status).toBe(200)
})

test('a burst is as large as the rate says, at any instant and for any rate', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 0, max: 2 ** 42 }), (count, now) => {
      const buckets = createTokenBuckets(
        () => ({ count, perMs: 60_000 }),
        () => now,
      )
      for (let hit = 0; hit < count; hit++) expect(buckets.take('a')).toBe(0)
      expect(buckets.take('a')).toBeGreaterThan(0)
    }),
  )
})

test('a bucket lets through what the rate allows, however it is asked', () => {
  const asks = fc.array(fc.nat({ max: 20_000 }), { maxLength: 60 })
  fc.assert(
    fc.property(asks, fc.integer({ min: 1, max: 30 }), (pauses, perMinute) => {
      let now = 0
      const buckets = createTokenBuckets(
        () => ({ count: perMinute, perMs: 60_000 }),
        () => now,
      )
      let passed = 0
      for (const pause of pauses) {
        now += pause
        const wait = buckets.take('a')
        if (wait === 0) passed += 1
        else {
          now += wait
          expect(buckets.take('a')).toBe(0)
          passed += 1
        }
      }
      expect(passed).toBeLessThanOrEqual(perMinute + ((now + 1) / 60_000) * perMinute)
    }),
    // Found by chance once: the level was one rounding error short of a whole hit.
    { examples: [[[0, 12562, 931, 9400, 646], 3]], numRuns: 1_000 },
  )
})
