/** Lets one loop sleep until another part of the worker has something for it. */
export interface Wakeup {
  /** Resolves at the next `wake`, or when `signal` is aborted. */
  wait(signal: AbortSignal): Promise<void>
  wake(): void
}

export const createWakeup = (): Wakeup => {
  let next = Promise.withResolvers<void>()
  return {
    wait: (signal) => {
      if (signal.aborted) return Promise.resolve()
      const aborted = Promise.withResolvers<void>()
      const onAbort = () => aborted.resolve()
      signal.addEventListener('abort', onAbort, { once: true })
      return Promise.race([next.promise, aborted.promise]).finally(() => signal.removeEventListener('abort', onAbort))
    },
    wake: () => {
      next.resolve()
      next = Promise.withResolvers<void>()
    },
  }
}
