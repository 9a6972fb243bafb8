/** When which runs are taken: pure functions over rules as the configuration reads them. */
import { type PullSchedule, readPullSchedule } from '@tutti/config'
import fc from 'fast-check'
import { DateTime } from 'luxon'
import { describe, expect, it } from 'vitest'
import { nextChange, openModes } from '../src/claim/schedule.ts'

const at = (text: string, zone = 'UTC'): number => {
  const instant = DateTime.fromISO(text, { zone })
  if (!instant.isValid) throw new Error(text)
  return instant.toMillis()
}
const rules = (text: string): PullSchedule => {
  const { schedule, faults } = readPullSchedule({ text, name: 'pull.toml' })
  if (!schedule) throw new Error(JSON.stringify(faults))
  return schedule
}
const night = (cron: string, minutes: number, zone = 'Europe/Berlin'): PullSchedule =>
  rules(
    `[[rules]]\nkind = "window"\nid = "nightly"\ncron = ${cron}\ntimezone = "${zone}"\nwindow_minutes = ${minutes}\n`,
  )
const isOpen = (schedule: PullSchedule, now: number): boolean => openModes(schedule, now, 0).includes('nightly')
/** Instants at which the window opens or closes, as somebody finds them who follows `nextChange`. */
const edges = (schedule: PullSchedule, from: number, until: number): string[] => {
  const found: string[] = []
  let open = isOpen(schedule, from)
  for (let now = nextChange(schedule, from, 0); now !== null && now <= until; now = nextChange(schedule, now, 0)) {
    if (isOpen(schedule, now) === open) continue
    open = !open
    found.push(`${open ? 'opens' : 'closes'} ${new Date(now).toISOString().slice(0, 16)}`)
  }
  return found
}

describe('a window', () => {
  it('goes on over midnight, and over the end of the year', () => {
    const schedule = night('{ hour = 22 }', 480)
    expect(edges(schedule, at('2026-12-31T12:00Z'), at('2027-01-01T12:00Z'))).toEqual([
      'opens 2026-12-31T21:00',
      'closes 2027-01-01T05:00',
    ])
    expect(isOpen(schedule, at('2027-01-01T00:00', 'Europe/Berlin'))).toBe(true)
  })

  it('is open from its first instant and closed at its end', () => {
    const schedule = night('{ hour = 2 }', 60, 'UTC')
    expect(
      ['01:59:59.999', '02:00:00.000', '02:00:00.001', '02:59:59.999', '03:00:00.000'].map((time) =>
        isOpen(schedule, at(`2026-06-01T${time}Z`)),
      ),
    ).toEqual([false, true, true, true, false])
  })

  it('whose instant falls into the gap of spring opens right after the gap', () => {
    // 02:30 does not exist on 29 March 2026: after 01:59:59 comes 03:00:00, which is 01:00 UTC.
    expect(edges(night('{ hour = 2, minute = 30 }', 120), at('2026-03-28T12:00Z'), at('2026-03-29T12:00Z'))).toEqual([
      'opens 2026-03-29T01:00',
      'closes 2026-03-29T03:00',
    ])
  })

  it('whose instant comes twice in autumn opens once', () => {
    // 02:30 comes at 00:30 UTC and again at 01:30 UTC on 25 October 2026.
    expect(edges(night('{ hour = 2, minute = 30 }', 30), at('2026-10-24T12:00Z'), at('2026-10-25T12:00Z'))).toEqual([
      'opens 2026-10-25T00:30',
      'closes 2026-10-25T01:00',
    ])
  })

  it('keeps its length in real minutes when the clock changes within it', () => {
    const schedule = night('{ hour = 22 }', 480)
    expect(edges(schedule, at('2026-03-28T12:00Z'), at('2026-03-29T12:00Z'))).toEqual([
      'opens 2026-03-28T21:00',
      'closes 2026-03-29T05:00',
    ])
    expect(edges(schedule, at('2026-10-24T12:00Z'), at('2026-10-25T12:00Z'))).toEqual([
      'opens 2026-10-24T20:00',
      'closes 2026-10-25T04:00',
    ])
  })

  it('that is open when the process starts is open, however long ago it opened', () => {
    const schedule = night('{ day_of_week = "sat", hour = 0 }', 2 * 24 * 60, 'UTC')
    // Sunday, 47 hours into it.
    expect(openModes(schedule, at('2026-06-07T23:00Z'), at('2026-06-07T23:00Z'))).toEqual(['nightly'])
    expect(nextChange(schedule, at('2026-06-07T23:00Z'), at('2026-06-07T23:00Z'))).toBe(at('2026-06-08T00:00Z'))
  })

  it('that opens again before it closes stays open', () => {
    const schedule = night('{ minute = 0 }', 90, 'UTC')
    expect(edges(schedule, at('2026-06-01T00:30Z'), at('2026-06-02T00:30Z'))).toEqual([])
    expect(isOpen(schedule, at('2026-06-01T12:59Z'))).toBe(true)
  })

  it('that never opens changes nothing', () => {
    const schedule = night('{ year = 2020, hour = 1 }', 5, 'UTC')
    expect([isOpen(schedule, at('2026-06-01T01:01Z')), nextChange(schedule, at('2026-06-01T00:00Z'), 0)]).toEqual([
      false,
      null,
    ])
  })
})

it('nothing-changes-before-nextChange-whatever-the-rules', () => {
  const cron = fc.record({
    minute: fc.integer({ min: 0, max: 59 }),
    hour: fc.option(fc.integer({ min: 0, max: 23 })),
    day: fc.option(fc.constantFrom('mon-fri', 'sat,sun', 'wed')),
  })
  const zones = fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe')
  // Days of the year with both changes of the clock in all of the zones.
  const start = fc.integer({ min: at('2026-03-01T00:00Z'), max: at('2026-11-10T00:00Z') })
  fc.assert(
    fc.property(
      cron,
      zones,
      fc.integer({ min: 1, max: 3000 }),
      start,
      fc.double({ min: 0, max: 0.999999, noNaN: true }),
      (fields, zone, minutes, now, share) => {
        const table = [
          `minute = ${fields.minute}`,
          ...(fields.hour === null ? [] : [`hour = ${fields.hour}`]),
          ...(fields.day === null ? [] : [`day_of_week = "${fields.day}"`]),
        ]
        const schedule = night(`{ ${table.join(', ')} }`, minutes, zone)
        const change = nextChange(schedule, now, 0)
        if (change === null) return
        expect(change).toBeGreaterThan(now)
        expect(isOpen(schedule, now + Math.floor((change - 1 - now) * share))).toBe(isOpen(schedule, now))
      },
    ),
    { numRuns: 300 },
  )
})

describe('rules together', () => {
  const schedule = rules(`
[[rules]]
kind = "interval"
id = "immediate"

[[rules]]
kind = "interval"
id = "late"
schedule_modes = ["scheduled", "immediate"]
seconds = 10
start_immediately = false

[[rules]]
kind = "interval"
id = "off"
enabled = false

[[rules]]
kind = "window"
id = "nightly"
schedule_modes = ["nightly", "batch"]
cron = { hour = 2 }
`)
  const boot = at('2026-06-01T01:00Z')

  it('give each mode once, and a rule that begins later begins later', () => {
    expect(openModes(schedule, boot, boot)).toEqual(['immediate'])
    expect(nextChange(schedule, boot, boot)).toBe(boot + 10_000)
    expect(openModes(schedule, boot + 10_000, boot)).toEqual(['immediate', 'scheduled'])
    expect(openModes(schedule, boot + 3_600_000, boot)).toEqual(['immediate', 'scheduled', 'nightly', 'batch'])
  })

  it('take nothing where the file is switched off', () => {
    expect(openModes({ ...schedule, enabled: false }, boot, boot)).toEqual([])
    expect(nextChange({ ...schedule, enabled: false }, boot, boot)).toBeNull()
  })
})
