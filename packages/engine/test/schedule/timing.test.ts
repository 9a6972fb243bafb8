import fc from 'fast-check'
import { IANAZone } from 'luxon'
import { describe, expect, test } from 'vitest'
import { latestBetween, nextAfter, type Timing, timingOf } from '../../src/schedule/timing.ts'

const utc = (text: string): number => Date.parse(text)
const iso = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString())

/** The first instants at or after `from`. */
const instants = (timing: Timing, from: string, count: number): (string | null)[] => {
  const found: (string | null)[] = []
  let at: number | null = utc(from) - 1
  while (found.length < count && at !== null) {
    at = nextAfter(timing, at)
    found.push(iso(at))
  }
  return found
}
const daily = (time: string, timeZone: string): Timing =>
  timingOf({ kind: 'calendar', time, days: null, dates: null }, 0, timeZone)
const cron = (expression: string, timeZone = 'UTC'): Timing => timingOf({ kind: 'cron', expression }, 0, timeZone)

describe('changes of the clock', () => {
  test('a time that the day does not have is due at the first instant after the gap', () => {
    expect(instants(daily('02:30', 'Europe/Berlin'), '2026-03-28T00:00:00Z', 3)).toEqual([
      '2026-03-28T01:30:00.000Z',
      '2026-03-29T01:00:00.000Z',
      '2026-03-30T00:30:00.000Z',
    ])
  })

  test('a time that the day has twice is due once, the first time', () => {
    expect(instants(daily('02:30', 'Europe/Berlin'), '2026-10-24T12:00:00Z', 2)).toEqual([
      '2026-10-25T00:30:00.000Z',
      '2026-10-26T01:30:00.000Z',
    ])
  })

  test('asked in the middle of the repeated hour, the second occurrence is not due', () => {
    expect(iso(nextAfter(daily('02:30', 'Europe/Berlin'), utc('2026-10-25T00:45:00Z')))).toBe(
      '2026-10-26T01:30:00.000Z',
    )
  })

  test('a pattern without an hour follows real time through the repeated hour', () => {
    const quarters = instants(cron('*/15 * * * *', 'Europe/Berlin'), '2026-10-25T00:00:00Z', 9)
    expect(quarters).toEqual(Array.from({ length: 9 }, (_, at) => iso(utc('2026-10-25T00:00:00Z') + at * 15 * 60_000)))
  })

  /** By looking at every minute of the year: the first one of each local day that is not before the time. */
  const byBruteForce = (hour: number, minute: number, zone: string, year: number): number[] => {
    const clock = IANAZone.create(zone)
    const found: number[] = []
    let day = -1
    let offset = 0
    for (let at = Date.UTC(year, 0, 1); at < Date.UTC(year + 1, 0, 1); at += 60_000) {
      // Clocks change on a quarter of an hour only.
      if (at % 900_000 === 0) offset = clock.offset(at)
      const local = at + offset * 60_000
      const date = Math.floor(local / 86_400_000)
      if (date <= day || local - date * 86_400_000 < (hour * 60 + minute) * 60_000) continue
      day = date
      found.push(at)
    }
    // The first of the year may be of a day that began in the year before.
    return found.slice(1)
  }
  test.each([
    ['02:30', 'Europe/Berlin'],
    ['01:30', 'America/New_York'],
    ['02:15', 'Australia/Lord_Howe'],
    ['00:00', 'America/Havana'],
    ['03:45', 'Asia/Kathmandu'],
  ])('a year of %s in %s is what looking at every minute finds', (time, zone) => {
    const [hour = 0, minute = 0] = time.split(':').map(Number)
    const expected = byBruteForce(hour, minute, zone, 2026)
    const found: number[] = []
    for (let at: number | null = (expected[0] ?? 0) - 1; ; ) {
      at = nextAfter(daily(time, zone), at)
      if (at === null || at >= Date.UTC(2027, 0, 1)) break
      found.push(at)
    }
    expect(found.map(iso)).toEqual(expected.map(iso))
  })
})

describe('days', () => {
  test('days of the week and dates together: both must fit', () => {
    const timing = timingOf({ kind: 'calendar', time: '09:00', days: ['mon'], dates: [1, 2, 3, 4, 5, 6, 7] }, 0, 'UTC')
    expect(instants(timing, '2026-01-01T00:00:00Z', 3)).toEqual([
      '2026-01-05T09:00:00.000Z',
      '2026-02-02T09:00:00.000Z',
      '2026-03-02T09:00:00.000Z',
    ])
  })

  test('in a cron pattern either of the two is enough, as cron always had it', () => {
    expect(instants(cron('0 9 1 * mon'), '2026-02-27T00:00:00Z', 3)).toEqual([
      '2026-03-01T09:00:00.000Z',
      '2026-03-02T09:00:00.000Z',
      '2026-03-09T09:00:00.000Z',
    ])
  })

  test('a month that does not have the day is passed over', () => {
    const timing = timingOf({ kind: 'calendar', time: '00:00', days: null, dates: [31] }, 0, 'UTC')
    expect(instants(timing, '2026-01-31T01:00:00Z', 2)).toEqual([
      '2026-03-31T00:00:00.000Z',
      '2026-05-31T00:00:00.000Z',
    ])
  })

  test('a date that never comes is never due', () => {
    expect(nextAfter(cron('0 0 30 2 *'), utc('2026-01-01T00:00:00Z'))).toBeNull()
  })
})

test('an interval counts from its anchor, through any change of the clock', () => {
  const timing = timingOf({ kind: 'interval', seconds: 3600 }, utc('2026-03-29T00:10:00Z'), 'Europe/Berlin')
  expect(instants(timing, '2026-03-28T00:00:00Z', 3)).toEqual([
    '2026-03-29T00:10:00.000Z',
    '2026-03-29T01:10:00.000Z',
    '2026-03-29T02:10:00.000Z',
  ])
})

test('the next instant is later, and there is none between', () => {
  const timings = [
    daily('02:30', 'Europe/Berlin'),
    cron('*/7 3 * * *', 'America/New_York'),
    cron('0 12 L * *'),
    timingOf({ kind: 'interval', seconds: 77 }, 12_345, 'UTC'),
  ]
  fc.assert(
    fc.property(
      fc.constantFrom(...timings),
      fc.integer({ min: utc('2026-01-01T00:00:00Z'), max: utc('2027-12-31T00:00:00Z') }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (timing, at, part) => {
        const next = nextAfter(timing, at) as number
        expect(next).toBeGreaterThan(at)
        expect(nextAfter(timing, at + Math.floor((next - 1 - at) * part))).toBe(next)
        expect(latestBetween(timing, at + 1, next - 1)).toBeNull()
        expect(latestBetween(timing, at + 1, next)).toBe(next)
      },
    ),
    { numRuns: 300 },
  )
})
