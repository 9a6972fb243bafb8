/**
 * Does something at once and then now and then: an instance that is started anew every day would else never come to it. What fails is
 * told, and tried again the next time.
 * @returns the way to stop, which waits for what is under way, but not for long: it is done again after the next start
 */
export const every = (
  intervalMs: number,
  run: () => Promise<unknown>,
  onError: (error: unknown) => void,
): (() => Promise<void>) => {
  let stopped = false
  let work: Promise<unknown> | null = null
  const round = (): void => {
    // One that takes longer than the interval is not overtaken.
    work ??= run()
      .catch((error: unknown) => {
        if (!stopped) onError(error)
      })
      .finally(() => {
        work = null
      })
  }
  const timer = setInterval(round, intervalMs)
  timer.unref()
  round()
  return async () => {
    stopped = true
    clearInterval(timer)
    const { promise, resolve } = Promise.withResolvers<void>()
    const enough = setTimeout(resolve, graceMs)
    await Promise.race([work, promise])
    clearTimeout(enough)
  }
}

const graceMs = 2_000
