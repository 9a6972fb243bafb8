import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { systemClock } from '../src/clock.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const dayMs = 86_400_000

test('deadline-two-months-away-does-not-come-early', async () => {
  let awake = false
  void systemClock.sleep(60 * dayMs).then(() => {
    awake = true
  })
  await vi.advanceTimersByTimeAsync(60 * dayMs - 1)
  expect(awake).toBe(false)
  await vi.advanceTimersByTimeAsync(1)
  expect(awake).toBe(true)
})

test('an aborted sleep ends at once and leaves no timer behind', async () => {
  const aborting = new AbortController()
  const sleeping = systemClock.sleep(60 * dayMs, aborting.signal)
  aborting.abort()
  await sleeping
  await systemClock.sleep(dayMs, aborting.signal)
  expect(vi.getTimerCount()).toBe(0)
})
