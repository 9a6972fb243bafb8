/** Time as a dependency, so that tests move it instead of waiting for it. */
export interface Clock {
  /** Milliseconds since 1970 on this machine. */
  now(): number
  /** Resolves after `ms`, or as soon as `signal` is aborted. Never rejects: a loop looks at the signal itself. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const end = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', end)
        resolve()
      }
      const timer = setTimeout(end, ms)
      signal?.addEventListener('abort', end, { once: true })
    }),
}
