import type { Clock } from '../../src/clock.ts'

interface Sleeper {
  dueMs: number
  ms: number
  wake: () => void
}

export interface ManualClock extends Clock {
  /** Delays that are being slept now, in milliseconds. */
  sleeping(): number[]
  advance(ms: number): void
}

/** Time stands still until the test moves it. */
export const createManualClock = (startMs = Date.now()): ManualClock => {
  let nowMs = startMs
  const sleepers = new Set<Sleeper>()
  return {
    now: () => nowMs,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted || ms <= 0) return resolve()
        const sleeper: Sleeper = {
          dueMs: nowMs + ms,
          ms,
          wake: () => {
            sleepers.delete(sleeper)
            resolve()
          },
        }
        signal?.addEventListener('abort', sleeper.wake, { once: true })
        sleepers.add(sleeper)
      }),
    sleeping: () => [...sleepers].map(({ ms }) => ms),
    advance: (ms) => {
      nowMs += ms
      for (const sleeper of [...sleepers]) if (sleeper.dueMs <= nowMs) sleeper.wake()
    },
  }
}
