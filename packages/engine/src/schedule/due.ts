/** What a schedule owes at an instant: pure, so that a year of outages can be tried in a test. */
import { latestBetween, nextAfter, type Timing } from './timing.ts'

/**
 * What becomes of instants at which nobody was there: `skip` drops them, `one` makes up for all of them with the latest, `all` makes
 * up for each.
 */
export type CatchUp = 'skip' | 'one' | 'all'

export interface Lateness {
  catchUp: CatchUp
  /** Nothing older than this is made up for. */
  windowMs: number
  /** What is not later than this is on time. */
  graceMs: number
}

export interface Owed {
  /** Nominal instants to be fired now, oldest first. */
  fire: number[]
  /** Whether instants were passed over. */
  missed: boolean
  /** The next nominal instant: the rest of a long backlog, or one to come; null when it is never due again. */
  nextAt: number | null
}

/** Fired at a time, so that a long backlog does not become one giant step. */
const most = 100

/** @param nextAt the first nominal instant that has not been dealt with */
export const owedAt = (timing: Timing, nextAt: number, now: number, { catchUp, windowMs, graceMs }: Lateness): Owed => {
  if (nextAt > now) return { fire: [], missed: false, nextAt }
  const oldest = catchUp === 'skip' ? now - graceMs : now - Math.max(windowMs, graceMs)
  const from = Math.max(nextAt, oldest)
  if (catchUp === 'all') {
    const fire: number[] = []
    let at = from === nextAt ? nextAt : nextAfter(timing, from - 1)
    for (; at !== null && at <= now && fire.length < most; at = nextAfter(timing, at)) fire.push(at)
    return { fire, missed: fire.length === 0 || fire[0] !== nextAt, nextAt: at }
  }
  const latest = latestBetween(timing, from, now)
  return { fire: latest === null ? [] : [latest], missed: latest !== nextAt, nextAt: nextAfter(timing, now) }
}

/** Milliseconds after the nominal instant at which it is fired: even over the range, and the same whoever computes it. */
export const jitterOf = (scheduleId: string, at: number, jitterMs: number): number => {
  if (jitterMs <= 0) return 0
  // FNV-1a: quick, and even enough to spread a thousand schedules over a minute.
  let hash = 0x811c9dc5
  for (const char of `${scheduleId} ${at}`) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193) >>> 0
  return Math.floor((hash / 2 ** 32) * jitterMs)
}
