/**
 * When a schedule is due. Pure: from the timing and an instant to the next one.
 *
 * Days with a change of the clock: a time of day that does not exist that day is due at the first instant after the gap; one that
 * exists twice is due once, at its first occurrence. A pattern that names no hour (every quarter of an hour, say) follows real time through both.
 */
import type { ScheduleRule } from '@tutti/contracts'
import { Cron } from 'croner'

export type Timing =
  /** Every so many milliseconds, counted from `anchor`: a change of the clock does not shift it. */
  | { kind: 'interval'; everyMs: number; anchor: number }
  /** `daysAndDates`: with days of month and of week both given, both must fit; else either, as cron always had it. */
  | { kind: 'cron'; pattern: string; timeZone: string; daysAndDates: boolean }

/** A time of day on certain days, as a cron pattern. */
const calendarPattern = ({ time, days, dates }: ScheduleRule & { kind: 'calendar' }): string => {
  const [hour, minute] = time.split(':').map(Number)
  return `${minute} ${hour} ${dates?.join(',') ?? '*'} * ${days?.join(',') ?? '*'}`
}

/** @param anchor the instant from which an interval counts */
export const timingOf = (rule: ScheduleRule, anchor: number, timeZone: string): Timing => {
  switch (rule.kind) {
    case 'interval':
      return { kind: 'interval', everyMs: rule.seconds * 1000, anchor }
    case 'calendar':
      return { kind: 'cron', pattern: calendarPattern(rule), timeZone, daysAndDates: true }
    case 'cron':
      return { kind: 'cron', pattern: rule.expression, timeZone, daysAndDates: false }
  }
}

/** The first instant after `after` at which it is due; null when it never is again (30 February). */
export const nextAfter = (timing: Timing, after: number): number | null => {
  if (timing.kind === 'interval') {
    const passed = Math.floor((after - timing.anchor) / timing.everyMs)
    return timing.anchor + Math.max(passed + 1, 0) * timing.everyMs
  }
  return cron(timing).nextRun(new Date(after))?.getTime() ?? null
}

/** How far back the latest instant is looked for, in steps: whatever the pattern, few instants lie between two of them. */
const lookBackMs = [60_000, 3_600_000, 86_400_000, 32 * 86_400_000, 367 * 86_400_000]

/** The last instant from `from` to `until` at which it was due; null when there was none. */
export const latestBetween = (timing: Timing, from: number, until: number): number | null => {
  for (const back of [...lookBackMs, until - from + 1]) {
    const start = Math.max(until - back, from - 1)
    let latest: number | null = null
    for (let at = nextAfter(timing, start); at !== null && at <= until; at = nextAfter(timing, at)) latest = at
    if (latest !== null || start === from - 1) return latest
  }
  return null
}

const cron = ({ pattern, timeZone, daysAndDates }: Omit<Timing & { kind: 'cron' }, 'kind'>): Cron =>
  // Paused: it only calculates. The scheduler itself owns firing, because croner knows nothing of other instances and restarts.
  new Cron(pattern, { timezone: timeZone, paused: true, domAndDow: daysAndDates })
