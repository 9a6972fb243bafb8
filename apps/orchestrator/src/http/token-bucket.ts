/**
 * Limits of how often, in this process's memory: each key has a bucket that fills evenly. A refused hit takes nothing, so that whoever
 * keeps asking is let through as soon as everybody else would be.
 */
export interface TokenBuckets {
  /** 0: let through. Else the milliseconds until it would be. */
  take(key: string): number
  /** The last hit does not count after all. */
  giveBack(key: string): void
}

interface Bucket {
  left: number
  at: number
}

/** Beyond so many, full buckets are swept out: they say no more than having none. */
const sweepAt = 10_000

/** So many in so many milliseconds, of which as many may come at once. */
export interface Rate {
  count: number
  perMs: number
}

/** @param rateOf of a key: different ones may have different rates */
export const createTokenBuckets = (rateOf: (key: string) => Rate, now: () => number): TokenBuckets => {
  const buckets = new Map<string, Bucket>()
  const filled = (bucket: Bucket, { count, perMs }: Rate): number =>
    Math.min(count, bucket.left + ((now() - bucket.at) * count) / perMs)
  const sweep = (): void => {
    for (const [key, bucket] of buckets) if (filled(bucket, rateOf(key)) >= rateOf(key).count) buckets.delete(key)
  }

  return {
    take: (key) => {
      const known = buckets.get(key)
      if (!known && buckets.size >= sweepAt) sweep()
      const rate = rateOf(key)
      const left = known ? filled(known, rate) : rate.count
      buckets.set(key, { left: left < 1 ? left : left - 1, at: now() })
      return left < 1 ? Math.ceil(((1 - left) * rate.perMs) / rate.count) : 0
    },
    giveBack: (key) => {
      const known = buckets.get(key)
      if (known) known.left = Math.min(rateOf(key).count, known.left + 1)
    },
  }
}
