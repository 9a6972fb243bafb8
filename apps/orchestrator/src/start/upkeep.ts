/**
 * Does something now and then, the first time after one interval. What fails is told, and tried again the next time.
 * @returns the way to stop, which waits for what is under way
 */
export const every = (
  intervalMs: number,
  run: () => Promise<unknown>,
  onError: (error: unknown) => void,
): (() => Promise<void>) => {
  let work: Promise<unknown> = Promise.resolve()
  const timer = setInterval(() => {
    work = work.then(run).catch(onError)
  }, intervalMs)
  timer.unref()
  return async () => {
    clearInterval(timer)
    await work
  }
}
