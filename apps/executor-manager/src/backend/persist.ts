import type { Logger } from '@tutti/telemetry'
import { messageOf } from '../fault.ts'
import { backOff } from './backoff.ts'
import { isUnreachable } from './error.ts'

/**
 * Asks the backend until it answers. A backend that restarts must not cost a run that works well, so only the end of the
 * lease (the signal) ends this. Rejects with what the backend refused, or with the signal's reason.
 */
export const persist = async <T>(ask: () => Promise<T>, given: { signal: AbortSignal; log: Logger }): Promise<T> => {
  const { signal, log } = given
  for (let tries = 1; ; tries += 1) {
    signal.throwIfAborted()
    try {
      return await ask()
    } catch (error) {
      if (!isUnreachable(error)) throw error
      // Once is enough to say that it began; each further try would say the same.
      if (tries === 1)
        log.warn({ reason: messageOf(error) }, 'the backend can’t be reached; trying until the lease ends')
      await backOff(tries, signal)
    }
  }
}
