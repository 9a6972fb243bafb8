import { setTimeout as delay } from 'node:timers/promises'

/** Waits for something, but no longer than that. @returns undefined when time is over */
export const within = async <T>(done: Promise<T>, ms: number): Promise<T | undefined> => {
  const patience = new AbortController()
  try {
    return await Promise.race([done, delay(ms, undefined, { signal: patience.signal })])
  } finally {
    patience.abort()
  }
}
