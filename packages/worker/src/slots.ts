/**
 * Counts what the worker may still take. Every request that can bring tasks reserves its slots first, so that a parked
 * poll and a result that asks for more never bring, together, more tasks than there are free slots.
 */
export interface Slots {
  /** Takes everything that is free for one request; `settle` gives back what didn't arrive. */
  reserve(limit: number): number
  settle(reserved: number, arrived: number): void
  /**
   * A task has ended. With a result, its slot stays held until that is first sent, because the same request asks for
   * the next task: a poll that grabbed the slot in between would cost a second round trip per task.
   */
  taskEnded(hasResult: boolean): void
  /** Results go out for the first time: the slots of their tasks are free. */
  firstSent(results: number): void
  resultGone(): void
}

export interface SlotsOptions {
  concurrency: number
  /** Results that may wait for an unreachable server; at this number no more tasks are taken. */
  resultBuffer: number
  onFree: () => void
}

export const createSlots = ({ concurrency, resultBuffer, onFree }: SlotsOptions): Slots => {
  let reserved = 0
  let running = 0
  let unsent = 0
  let undelivered = 0
  const free = () => Math.max(0, Math.min(concurrency - unsent, resultBuffer - undelivered) - running - reserved)
  return {
    reserve: (limit) => {
      const taken = Math.min(free(), limit)
      reserved += taken
      return taken
    },
    settle: (taken, arrived) => {
      reserved -= taken
      running += arrived
      onFree()
    },
    taskEnded: (hasResult) => {
      running -= 1
      if (!hasResult) return onFree()
      unsent += 1
      undelivered += 1
    },
    firstSent: (results) => {
      unsent -= results
    },
    resultGone: () => {
      undelivered -= 1
      onFree()
    },
  }
}
