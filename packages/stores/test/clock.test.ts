import { performance } from 'node:perf_hooks'
import { expect, test } from 'vitest'
import { createServerClock } from '../src/clock.ts'

/** A server whose clock is read at the beginning, in the middle or at the end of the round trip. */
const serverTime = (): number => performance.now() + 1_900_000_000_000
const passing = async (ms: number): Promise<void> => {
  const end = performance.now() + ms
  while (performance.now() < end) await new Promise((resolve) => setImmediate(resolve))
}

test.each([
  ['beginning', 0, 20],
  ['middle', 10, 10],
  ['end', 20, 0],
])('read at the %s of a round trip, the clock is never ahead of the server', async (_where, there, back) => {
  const clock = await createServerClock(async () => {
    await passing(there)
    const time = serverTime()
    await passing(back)
    return time
  })
  for (let look = 0; look < 1_000; look += 1) {
    const estimate = clock.now()
    expect(estimate).toBeLessThanOrEqual(serverTime())
    expect(serverTime() - estimate).toBeLessThan(1_000)
  }
  expect(Number.isInteger(clock.now())).toBe(true)
  clock.stop()
})
