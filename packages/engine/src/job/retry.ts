import { type Duration, toMs } from './duration.ts'

/** How often a failed task is tried again, and how long is waited before each try. All times in milliseconds. */
export interface RetryPolicy {
  /** Tries in all, the first included. */
  attempts: number
  backoff: 'exponential' | 'fixed'
  initialMs: number
  maxMs: number
  /** A try after a failed one goes to any worker but those that failed. */
  elsewhere: boolean
  /** So many tries may be lost with their workers, and count as none of `attempts`. Absent: a lost try counts as a failed one. */
  losses?: number
}

/** What a blueprint's author writes. */
export interface RetryOptions {
  attempts?: number
  backoff?: 'exponential' | 'fixed'
  initial?: Duration
  max?: Duration
  /** Keeps the next try from the workers that failed. Where there is no other worker, it waits for one. */
  elsewhere?: boolean
  /**
   * How many tries may be lost with their workers, which fell silent, beside those that fail by themselves. Left out, a lost try counts as
   * a failed one: right where the task may be what kills its worker, and workers seldom die of anything else.
   */
  losses?: number
}

/** A policy whose author may have left the number of tries to the engine: null. */
export type RetryChoice = Omit<RetryPolicy, 'attempts'> & { attempts: number | null }

export const chooseRetry = (options: RetryOptions): RetryChoice => ({
  ...resolveRetry(options, 0),
  attempts: options.attempts ?? null,
})

export const resolveRetry = (options: RetryOptions | undefined, attempts: number): RetryPolicy => ({
  attempts: options?.attempts ?? attempts,
  backoff: options?.backoff ?? 'exponential',
  initialMs: toMs(options?.initial ?? '1s'),
  maxMs: toMs(options?.max ?? '5m'),
  elsewhere: options?.elsewhere ?? false,
  ...(options?.losses === undefined ? {} : { losses: options.losses }),
})

/**
 * Milliseconds to wait before the try after `attempt` (1 = the first failed). "Equal jitter": half of the delay is fixed,
 * half random, so that a thousand tasks that failed together do not come back together.
 */
export const backoffMs = (policy: RetryPolicy, attempt: number, random: number): number => {
  const factor = policy.backoff === 'fixed' ? 1 : 2 ** Math.min(attempt - 1, 30)
  const delay = Math.min(policy.initialMs * factor, policy.maxMs)
  return Math.round(delay / 2 + (delay / 2) * random)
}
