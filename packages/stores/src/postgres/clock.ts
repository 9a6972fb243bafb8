/**
 * The database's clock, as seen from here. Deadlines are instants of that clock, and asking it before each commit would
 * cost a round trip, so its distance from the process's monotonic clock is measured now and then.
 */
import { performance } from 'node:perf_hooks'
import type { Pool } from 'pg'

export interface DatabaseClock {
  now(): number
  stop(): void
}

const measureEveryMs = 30_000

export const createDatabaseClock = async (pool: Pool): Promise<DatabaseClock> => {
  let offset = 0
  const measure = async (): Promise<void> => {
    const before = performance.now()
    const { rows } = await pool.query<{ now: string }>('SELECT tutti.now_ms() AS now')
    const after = performance.now()
    offset = Number(rows[0]?.now) - (before + after) / 2
  }
  await measure()
  // A failed measurement keeps the old distance: clocks drift by milliseconds an hour.
  const timer = setInterval(() => void measure().catch(() => {}), measureEveryMs)
  timer.unref()
  return { now: () => Math.round(performance.now() + offset), stop: () => clearInterval(timer) }
}
