/**
 * Tasks that this instance makes itself are told of twice: here at once, and again when the Store's news come back. What comes back
 * counts for nothing; else every task would wake two polls, one of them in vain.
 */
export interface Echo {
  /** Tasks of a queue that this instance has just made; answers of how many polls are still to be woken. */
  made(queue: string, count: number): number
  /** The same for news from the Store. */
  heard(queue: string, count: number): number
}

/** By then the other account has come, or it was lost, or was somebody else's. Measured on PostgreSQL: below 5 ms. */
const awaitedMs = 250
const overtakenMs = 20

export const createEcho = (now: () => number): Echo => {
  /** Above 0: made here, and not heard of yet; below 0: heard of, and perhaps made here. */
  const balances = new Map<string, { count: number; until: number }>()
  let sweptAt = 0

  const balanceOf = (queue: string): number => {
    const known = balances.get(queue)
    return known && known.until > now() ? known.count : 0
  }
  const settle = (queue: string, count: number): void => {
    if (count === 0) balances.delete(queue)
    else balances.set(queue, { count, until: now() + (count > 0 ? awaitedMs : overtakenMs) })
    if (now() - sweptAt < 10_000) return
    sweptAt = now()
    for (const [name, { until }] of balances) if (until <= sweptAt) balances.delete(name)
  }
  return {
    made: (queue, count) => {
      const balance = balanceOf(queue)
      settle(queue, balance + count)
      // Also when the news were first: PostgreSQL was seen to tell of a task up to a millisecond before it could be taken.
      return count
    },
    heard: (queue, count) => {
      const balance = balanceOf(queue)
      settle(queue, balance - count)
      return Math.max(0, count - Math.max(0, balance))
    },
  }
}
