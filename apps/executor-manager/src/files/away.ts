/** An object store that is away for a while costs nobody an attempt: what needs it waits, and the lease is renewed meanwhile. */
import { setTimeout as delay } from 'node:timers/promises'
import { ObjectStoreError } from '@tutti/objects'
import type { Logger } from '@tutti/telemetry'
import { backoffMs } from '../backend/backoff.ts'

/** Whether another try later may help: of this failure, or of what caused it. */
export const isAway = (error: unknown): boolean =>
  error instanceof ObjectStoreError ? error.retryable : error instanceof Error && isAway(error.cause)

/** Before the given try. Never long: somebody waits for the turn, and a request that fails costs little. */
export const awayPause = (tries: number): number => backoffMs(tries, Math.random())

/** For what may be begun again from any line. Rejects with its fault, or with the signal's reason. */
export const waitingOut = async <T>(
  action: () => Promise<T>,
  { awayMs, signal, log }: { awayMs: number; signal: AbortSignal; log: Logger },
): Promise<T> => {
  const began = performance.now()
  for (let tries = 1; ; tries += 1) {
    signal.throwIfAborted()
    try {
      return await action()
    } catch (error) {
      if (!isAway(error) || performance.now() - began >= awayMs) throw error
      if (tries === 1) log.warn({ err: error }, 'the object store is away; waiting for it')
      await delay(awayPause(tries), undefined, { signal })
    }
  }
}
