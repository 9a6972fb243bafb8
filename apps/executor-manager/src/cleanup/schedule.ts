import { setTimeout as delay } from 'node:timers/promises'
import { type CleanupDeps, type CleanupOptions, cleanUp } from './cleanup.ts'

export interface CleanupSchedule {
  /** Resolves when none is at work any more. */
  stop(): Promise<void>
}

/** Cleans up now and then: at once, because a manager may be restarted more often than the interval, and after each interval. */
export const scheduleCleanup = (deps: CleanupDeps, options: CleanupOptions, intervalMs: number): CleanupSchedule => {
  const stopped = new AbortController()
  const keepCleaning = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      try {
        const done = await cleanUp(deps, options)
        if (done.removed + done.expired > 0) deps.log.info({ ...done }, 'workspaces were cleaned up')
        if (done.kept > 0)
          deps.log.warn({ count: done.kept }, 'old workspaces stay: object storage has not all of their files')
      } catch (error) {
        deps.log.error({ err: error }, 'the cleanup failed; it will try again')
      }
      await delay(intervalMs, undefined, { signal: stopped.signal }).catch(() => undefined)
    }
  }
  const cleaning = keepCleaning()
  return {
    stop: async () => {
      stopped.abort()
      await cleaning
    },
  }
}
