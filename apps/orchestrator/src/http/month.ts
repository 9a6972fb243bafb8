import { nextAfter } from '@tutti/engine'

/** The instant at which the next calendar month begins. */
export const monthEnd = (now: number, timeZone: string): number =>
  // A month always ends: null is for dates that never come.
  nextAfter({ kind: 'cron', pattern: '0 0 1 * *', timeZone, daysAndDates: false }, now) ?? now
