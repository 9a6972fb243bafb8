/** How every caller of these protocols waits before it tries again. Pure, and imported by processes that start in milliseconds. */
export interface BackoffOptions {
  firstMs: number
  maxMs: number
}

export interface Backoff {
  /** The next delay; never shorter than what the server asked for. */
  next(retryAfterMs?: number | undefined): number
  reset(): void
}

/**
 * Milliseconds to wait after so many failures in a row (from 1): doubles up to `maxMs`, between half and all of it, so that
 * a fleet doesn't come back to a restarted server in one instant.
 * @param random 0 ≤ n < 1
 */
export const backoffDelayMs = ({ firstMs, maxMs }: BackoffOptions, failures: number, random: number): number =>
  Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 30)) * (0.5 + random / 2)

/** Counts failures in a row. */
export const createBackoff = (options: BackoffOptions, random: () => number = Math.random): Backoff => {
  let failures = 0
  return {
    next: (retryAfterMs = 0) => {
      failures += 1
      return Math.max(retryAfterMs, backoffDelayMs(options, failures, random()))
    },
    reset: () => {
      failures = 0
    },
  }
}

/** Reads a Retry-After header, in seconds or as a date. */
export const retryAfterMs = (header: string | null, now: number): number | undefined => {
  if (header === null || header.trim() === '') return undefined
  const seconds = Number(header)
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - now
  return Number.isNaN(ms) ? undefined : Math.max(0, ms)
}
