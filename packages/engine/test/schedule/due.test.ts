import { describe, expect, test } from 'vitest'
import { jitterOf, owedAt } from '../../src/schedule/due.ts'
import { timingOf } from '../../src/schedule/timing.ts'

const minute = 60_000
const hour = 60 * minute
const start = Date.UTC(2026, 5, 1)
const hourly = timingOf({ kind: 'interval', seconds: 3600 }, start, 'UTC')
const policy = { catchUp: 'one', windowMs: 24 * hour, graceMs: minute } as const

test('nothing is owed before its instant', () => {
  expect(owedAt(hourly, start + hour, start, policy)).toEqual({ fire: [], missed: false, nextAt: start + hour })
})

test.each(['skip', 'one', 'all'] as const)('on time it fires once, whatever the policy (%s)', (catchUp) => {
  expect(owedAt(hourly, start, start + 5_000, { ...policy, catchUp })).toEqual({
    fire: [start],
    missed: false,
    nextAt: start + hour,
  })
})

describe('after five hours of nobody being there', () => {
  const now = start + 5 * hour + 30 * minute
  test('skip fires nothing', () => {
    expect(owedAt(hourly, start, now, { ...policy, catchUp: 'skip' })).toEqual({
      fire: [],
      missed: true,
      nextAt: start + 6 * hour,
    })
  })
  test('skip still fires the one that is on time', () => {
    expect(owedAt(hourly, start, start + 5 * hour + 30_000, { ...policy, catchUp: 'skip' }).fire).toEqual([
      start + 5 * hour,
    ])
  })
  test('one fires the newest', () => {
    expect(owedAt(hourly, start, now, policy)).toEqual({
      fire: [start + 5 * hour],
      missed: true,
      nextAt: start + 6 * hour,
    })
  })
  test('all fires each, oldest first', () => {
    expect(owedAt(hourly, start, now, { ...policy, catchUp: 'all' })).toEqual({
      fire: [0, 1, 2, 3, 4, 5].map((at) => start + at * hour),
      missed: false,
      nextAt: start + 6 * hour,
    })
  })
  test('what is older than the window is let go', () => {
    const short = { ...policy, windowMs: 2 * hour }
    expect(owedAt(hourly, start, now, { ...short, catchUp: 'all' })).toEqual({
      fire: [start + 4 * hour, start + 5 * hour],
      missed: true,
      nextAt: start + 6 * hour,
    })
    expect(owedAt(hourly, start, now, { ...short, windowMs: minute }).fire).toEqual([])
  })
})

test('a backlog of months comes in portions and is complete in the end', () => {
  const quarter = timingOf({ kind: 'cron', expression: '*/15 * * * *' }, 0, 'Europe/Berlin')
  const now = start + 90 * 24 * hour
  const fired: number[] = []
  let nextAt: number | null = start
  while (nextAt !== null && nextAt <= now) {
    const owed = owedAt(quarter, nextAt, now, { catchUp: 'all', windowMs: 366 * 24 * hour, graceMs: minute })
    expect(owed.fire.length).toBeLessThanOrEqual(100)
    fired.push(...owed.fire)
    nextAt = owed.nextAt
  }
  expect(fired).toEqual(Array.from({ length: 90 * 96 + 1 }, (_, at) => start + at * 15 * minute))
})

test('jitter stays in its range, is the same for everybody, and spreads', () => {
  const all = Array.from({ length: 1000 }, (_, at) => jitterOf(`s${at}`, start, 60_000))
  expect(all.every((each) => each >= 0 && each < 60_000)).toBe(true)
  expect(jitterOf('s1', start, 60_000)).toBe(all[1])
  const tenths = new Set(all.map((each) => Math.floor(each / 6_000)))
  expect(tenths.size).toBe(10)
})
