/**
 * What a program is made of is compiled once, and not at each start: of the second of processor time that a start took, six tenths were
 * that. To be called before anything else is loaded.
 */
import { enableCompileCache, flushCompileCache } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** By then a server has loaded what its start needs. */
const writtenAfterMs = 3_000

/** In the user's own folder: from one that everybody may write to, somebody else's code would be run. Where there is none, nothing is kept. */
export const keepCompiled = (env: NodeJS.ProcessEnv = process.env): void => {
  const folder = env.XDG_CACHE_HOME || homeCache()
  if (folder === undefined || env.NODE_COMPILE_CACHE || env.NODE_DISABLE_COMPILE_CACHE) return
  enableCompileCache(join(folder, 'tutti', 'compiled'))
  // By itself it is written at an orderly end only: a server that is killed would leave nothing to the next start, which waits for it most.
  setTimeout(flushCompileCache, writtenAfterMs).unref()
}

const homeCache = (): string | undefined => {
  try {
    return join(homedir(), '.cache')
  } catch {
    // A user that the machine knows nothing of, as in a container.
    return undefined
  }
}
