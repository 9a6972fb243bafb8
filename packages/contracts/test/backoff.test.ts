import { expect, test } from 'vitest'
import { createBackoff, retryAfterMs } from '../src/backoff.ts'

test('doubles up to its limit and never undercuts half of the step', () => {
  const lowest = createBackoff({ firstMs: 100, maxMs: 1000 }, () => 0)
  expect([lowest.next(), lowest.next(), lowest.next(), lowest.next(), lowest.next(), lowest.next()]).toEqual([
    50, 100, 200, 400, 500, 500,
  ])
  const highest = createBackoff({ firstMs: 100, maxMs: 1000 }, () => 1)
  expect([highest.next(), highest.next()]).toEqual([100, 200])
  highest.reset()
  expect(highest.next()).toBe(100)
})

test('failing-for-weeks-stays-at-the-limit', () => {
  const backoff = createBackoff({ firstMs: 500, maxMs: 30_000 }, () => 1)
  for (let failure = 0; failure < 5000; failure += 1) expect(backoff.next()).toBeLessThanOrEqual(30_000)
})

test('never shorter than the server asked for', () => {
  const backoff = createBackoff({ firstMs: 100, maxMs: 1000 }, () => 1)
  expect(backoff.next(7000)).toBe(7000)
})

test.each([
  ['3', 3000],
  ['0.5', 500],
  ['Thu, 01 Jan 1970 00:01:00 GMT', 50_000],
  ['Thu, 01 Jan 1970 00:00:01 GMT', 0],
  ['soon', undefined],
  ['', undefined],
  [null, undefined],
])('reads Retry-After %o', (header, expected) => {
  expect(retryAfterMs(header, 10_000)).toBe(expected)
})
