import { setTimeout } from 'node:timers/promises'

const firstMs = 100
const longestMs = 5_000

/** How long to wait before the given try (from 1). Jitter keeps a hundred managers from returning at once. */
export const backoffMs = (tries: number, random: number): number =>
  Math.round(Math.min(longestMs, firstMs * 2 ** Math.min(tries - 1, 20)) * (0.5 + random / 2))

/** Waits before the given try; rejects when the signal aborts. */
export const backOff = async (tries: number, signal: AbortSignal): Promise<void> => {
  await setTimeout(backoffMs(tries, Math.random()), undefined, { signal })
}
