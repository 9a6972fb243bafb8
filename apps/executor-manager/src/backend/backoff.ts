import { setTimeout } from 'node:timers/promises'
import { backoffDelayMs } from '@tutti/contracts/backoff'

/** The backend is back in a second or two, and somebody waits for each of these runs; a request that is refused costs little. */
const options = { firstMs: 100, maxMs: 500 }

/** How long to wait before the given try (from 1). Jitter keeps a hundred managers from returning at once. */
export const backoffMs = (tries: number, random: number): number => Math.round(backoffDelayMs(options, tries, random))

/** Waits before the given try; rejects when the signal aborts. */
export const backOff = async (tries: number, signal: AbortSignal): Promise<void> => {
  await setTimeout(backoffMs(tries, Math.random()), undefined, { signal })
}
