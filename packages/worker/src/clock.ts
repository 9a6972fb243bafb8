/** Time as a dependency, so that tests move it instead of waiting for it. */
export interface Clock {
  /** Milliseconds since 1970 on this machine. */
  now(): number
  /** Resolves after `ms`, or as soon as `signal` is aborted. Never rejects: a loop looks at the signal itself. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** Longest delay a timer of Node can hold; a longer one would fire at once, and a far deadline would abort its task. */
const longestTimerMs = 2 ** 31 - 1

const sleepOnce = (ms: number, signal: AbortSignal | undefined): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const end = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal?.addEventListener('abort', end, { once: true })
  })

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: async (ms, signal) => {
    for (let left = ms; left > 0 && !signal?.aborted; left -= longestTimerMs) {
      await sleepOnce(Math.min(left, longestTimerMs), signal)
    }
  },
}
