import type { WorkbenchDeps } from '../deps.ts'
import { sweepUploads } from './sweep-uploads.ts'

/** Uploads are swept by the day: so often that one more hour is not seen on any disk. */
const everyMs = 600_000

/** Sweeps now and then. @returns a function that ends it, and resolves when none is at work any more */
export const keepSweepingUploads = (
  deps: Pick<WorkbenchDeps, 'database' | 'objects' | 'log'>,
): (() => Promise<void>) => {
  let stopped = false
  let timer: NodeJS.Timeout | undefined
  let sweeping: Promise<void> = Promise.resolve()
  const sweep = (): void => {
    sweeping = sweepUploads(deps)
      .catch((error: unknown) => deps.log.warn({ err: error }, 'uploads could not be swept; they will be'))
      .then(() => {
        if (!stopped) timer = setTimeout(sweep, everyMs)
      })
  }
  sweep()
  return async () => {
    stopped = true
    clearTimeout(timer)
    await sweeping
  }
}
