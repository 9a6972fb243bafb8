import { setTimeout } from 'node:timers/promises'
import { backoffDelayMs } from '@tutti/contracts/backoff'

/** At most a second: the backend is back in a few, and somebody waits for each of these runs. */
const options = { firstMs: 100, maxMs: 1_000 }

/** How long to wait before the given try (from 1). Jitter keeps a hundred managers from returning at once. */
export const backoffMs = (tries: number, random: number): number => Math.round(backoffDelayMs(options, tries, random))

/** Waits before the given try; rejects when the signal aborts. */
export const backOff = async (tries: number, signal: AbortSignal): Promise<void> => {
  await setTimeout(backoffMs(tries, Math.random()), undefined, { signal })
}
