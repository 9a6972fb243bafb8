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

export const createTokenBuckets = (limit: number, periodMs: number, now: () => number): TokenBuckets => {
  const buckets = new Map<string, Bucket>()
  const perMs = limit / periodMs
  const filled = (bucket: Bucket): number => Math.min(limit, bucket.left + (now() - bucket.at) * perMs)
  const sweep = (): void => {
    for (const [key, bucket] of buckets) if (filled(bucket) >= limit) buckets.delete(key)
  }

  return {
    take: (key) => {
      const known = buckets.get(key)
      if (!known && buckets.size >= sweepAt) sweep()
      const left = known ? filled(known) : limit
      buckets.set(key, { left: left < 1 ? left : left - 1, at: now() })
      return left < 1 ? Math.ceil((1 - left) / perMs) : 0
    },
    giveBack: (key) => {
      const known = buckets.get(key)
      if (known) known.left = Math.min(limit, known.left + 1)
    },
  }
}
