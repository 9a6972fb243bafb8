import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createTimestamp } from '../src/time.ts'

describe('timestamps', () => {
  it.each([
    ['UTC', '2026-11-21T10:00:00.000Z'],
    ['Europe/Moscow', '2026-11-21T13:00:00.000+03:00'],
    ['America/St_Johns', '2026-11-21T06:30:00.000-03:30'],
    ['Asia/Kathmandu', '2026-11-21T15:45:00.000+05:45'],
    ['Pacific/Kiritimati', '2026-11-22T00:00:00.000+14:00'],
  ])('in %s', (zone, text) => {
    expect(createTimestamp(zone)(Date.UTC(2026, 10, 21, 10))).toBe(text)
  })

  it('change their offset at the very millisecond of a clock change', () => {
    const timestamp = createTimestamp('Europe/Berlin')
    const change = Date.UTC(2026, 2, 29, 1)
    expect(timestamp(change - 1)).toBe('2026-03-29T01:59:59.999+01:00')
    expect(timestamp(change)).toBe('2026-03-29T03:00:00.000+02:00')
    expect(timestamp(change - 1)).toBe('2026-03-29T01:59:59.999+01:00')
  })

  it('mean the instant they were made from, in any zone and order', () => {
    const zones = ['UTC', 'Europe/London', 'Australia/Lord_Howe', 'America/New_York', 'Asia/Kolkata']
    const timestamps = new Map(zones.map((zone) => [zone, createTimestamp(zone)]))
    const instant = fc.integer({ min: Date.UTC(1990, 0), max: Date.UTC(2100, 0) })
    fc.assert(
      fc.property(fc.constantFrom(...zones), instant, (zone, milliseconds) => {
        expect(Date.parse(timestamps.get(zone)?.(milliseconds) ?? '')).toBe(milliseconds)
      }),
    )
  })
})
