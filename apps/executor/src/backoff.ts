/** Waiting between attempts to reach the relay: short at first, since a manager restarts in a second, never long. */
import { setTimeout } from 'node:timers/promises'
import { backoffDelayMs } from '@tutti/contracts/backoff'

const options = { firstMs: 50, maxMs: 5_000 }

/** How long to wait before the given attempt (from 1). Jitter keeps a hundred sandboxes from returning at once. */
export const backoffMs = (attempt: number, random: number): number =>
  Math.round(backoffDelayMs(options, attempt, random))

/** Waits before the given attempt; rejects when the signal aborts. */
export const backOff = async (attempt: number, signal?: AbortSignal): Promise<void> => {
  await setTimeout(backoffMs(attempt, Math.random()), undefined, { signal })
}
