/** How long to wait after the n-th failure in a row. */
export interface BackoffOptions {
  firstMs: number
  maxMs: number
}

export interface Backoff {
  /** The next delay; never shorter than what the server asked for. */
  next(retryAfterMs?: number | undefined): number
  reset(): void
}

/** Doubles up to `maxMs`, with jitter, so that a fleet doesn't come back to a restarted server in one instant. */
export const createBackoff = ({ firstMs, maxMs }: BackoffOptions, random: () => number = Math.random): Backoff => {
  let failures = 0
  return {
    next: (retryAfterMs = 0) => {
      const ceiling = Math.min(maxMs, firstMs * 2 ** Math.min(failures, 30))
      failures += 1
      return Math.max(retryAfterMs, ceiling * (0.5 + random() / 2))
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
