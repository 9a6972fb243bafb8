/** A limit of time for work that strangers wrote: expressions and schemas can be made to take for ever. */
import { createContext, Script } from 'node:vm'

export class TooLongError extends Error {
  override readonly name = 'TooLongError'
}

const script = new Script('run()')
const sandbox = createContext({ run: () => {} })

/** How often a limit is doubled for work that did not get to run. */
const doublings = 4

/**
 * Runs synchronous work, and breaks it off when its time is over, wherever it is: also in the middle of a regular expression. It costs
 * about 0.1 ms a call, so it is put around a whole handler and not around each expression.
 *
 * The limit is one of the clock, and on a busy machine a thread can be kept from its core for longer than that: with eight programs to
 * two cores a check of one field was once in 1,400 times told to take too long, and a good input refused. So work that was given less
 * than half of its time runs again, with twice the time. It must therefore change nothing outside of itself.
 * @throws TooLongError
 */
export const bounded = <T>(work: () => T, ms: number): T => {
  for (let time = ms; ; time *= 2) {
    const before = process.threadCpuUsage()
    try {
      return within(work, time)
    } catch (error) {
      // It is an error of the script's own realm, and so no Error of ours.
      if ((error as { code?: unknown } | null)?.code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error
      const { user, system } = process.threadCpuUsage(before)
      if ((user + system) / 1000 >= ms / 2 || time >= ms * 2 ** doublings)
        throw new TooLongError(`it took longer than ${ms} ms`)
    }
  }
}

const within = <T>(work: () => T, ms: number): T => {
  const outer = sandbox.run
  sandbox.run = work
  try {
    return script.runInContext(sandbox, { timeout: ms }) as T
  } finally {
    sandbox.run = outer
  }
}
