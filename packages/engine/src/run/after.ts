/** Calls `run` after `ms` milliseconds unless the returned function was called before. The simulator brings its own time. */
export type After = (ms: number, run: () => void) => () => void

/** Longer delays overflow a Node timer and would fire at once. */
const longestMs = 2 ** 31 - 1

export const realAfter: After = (ms, run) => {
  const timer = setTimeout(run, Math.min(Math.max(ms, 0), longestMs))
  return () => clearTimeout(timer)
}
