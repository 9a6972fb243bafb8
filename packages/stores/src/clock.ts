/**
 * A server's clock, as seen from here. Deadlines are instants of that clock, and asking it before each commit would
 * cost a round trip, so its distance from the process's monotonic clock is measured now and then.
 */
import { performance } from 'node:perf_hooks'

export interface ServerClock {
  /** Milliseconds since the epoch. */
  now(): number
  stop(): void
}

const measureEveryMs = 30_000

/** `read` asks the server for its time, in milliseconds since the epoch. @throws what the first reading throws */
export const createServerClock = async (read: () => Promise<number>): Promise<ServerClock> => {
  let offset = 0
  // Behind by up to a round trip, and never ahead: a task that is made to be visible now must be so for whoever asks the server
  // next. From the middle of the round trip, as one would measure it, 1 poll in 300 came a millisecond too early, found nothing,
  // and the task waited for the safety look.
  const measure = async (): Promise<void> => {
    const there = await read()
    offset = there - performance.now()
  }
  await measure()
  // A failed measurement keeps the old distance: clocks drift by milliseconds an hour.
  const timer = setInterval(() => void measure().catch(() => {}), measureEveryMs)
  timer.unref()
  return { now: () => Math.floor(performance.now() + offset), stop: () => clearInterval(timer) }
}
