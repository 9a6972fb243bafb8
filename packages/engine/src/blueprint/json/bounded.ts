/** A limit of time for work that strangers wrote: expressions and schemas can be made to take for ever. */
import { createContext, Script } from 'node:vm'

export class TooLongError extends Error {
  override readonly name = 'TooLongError'
}

const script = new Script('run()')
const sandbox = createContext({ run: () => {} })

/**
 * Runs synchronous work, and breaks it off when its time is over, wherever it is: also in the middle of a regular expression. It costs
 * about 0.1 ms a call, so it is put around a whole handler and not around each expression.
 * @throws TooLongError
 */
export const bounded = <T>(work: () => T, ms: number): T => {
  const outer = sandbox.run
  sandbox.run = work
  try {
    return script.runInContext(sandbox, { timeout: ms }) as T
  } catch (error) {
    // It is an error of the script's own realm, and so no Error of ours.
    if ((error as { code?: unknown } | null)?.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT')
      throw new TooLongError(`it took longer than ${ms} ms`)
    throw error
  } finally {
    sandbox.run = outer
  }
}
