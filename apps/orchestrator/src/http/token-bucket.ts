/**
 * Limits of how often, in this process's memory: each key has a bucket that fills evenly. A refused hit takes nothing, so that whoever
 * keeps asking is let through as soon as everybody else would be.
 *
 * A bucket is one number, the instant at which it is full again (the generic cell rate algorithm, ITU-T I.371). Levels that are
 * computed anew at each hit gather rounding errors: who waited exactly as told was refused now and then.
 */
export interface TokenBuckets {
  /** 0: let through. Else the milliseconds until it would be. */
  take(key: string): number
  /** The last hit does not count after all. */
  giveBack(key: string): void
}

/** Beyond so many, full buckets are swept out: they say no more than having none. */
const sweepAt = 10_000

/** So many in so many milliseconds, of which as many may come at once. */
export interface Rate {
  count: number
  perMs: number
}

/**
 * @param rateOf of a key: different ones may have different rates
 * @param now in whole milliseconds
 */
export const createTokenBuckets = (rateOf: (key: string) => Rate, now: () => number): TokenBuckets => {
  const fullAt = new Map<string, number>()
  const sweep = (at: number): void => {
    for (const [key, full] of fullAt) if (full <= at) fullAt.delete(key)
  }

  return {
    take: (key) => {
      const at = now()
      if (!fullAt.has(key) && fullAt.size >= sweepAt) sweep(at)
      const { count, perMs } = rateOf(key)
      const fullAfterwards = Math.max(fullAt.get(key) ?? at, at) + perMs / count
      // Less than a millisecond, which the clock does not know either, is let through: the last of a burst is not refused by a rounding error.
      const waitMs = Math.floor(fullAfterwards - perMs - at)
      if (waitMs > 0) return waitMs
      fullAt.set(key, fullAfterwards)
      return 0
    },
    giveBack: (key) => {
      const full = fullAt.get(key)
      const { count, perMs } = rateOf(key)
      if (full !== undefined) fullAt.set(key, full - perMs / count)
    },
  }
}
