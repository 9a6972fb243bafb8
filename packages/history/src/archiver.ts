/**
 * Carries the Store's feed into the archive. The lines and the position that was reached are kept in one transaction, so a crash
 * anywhere repeats a portion that is then found to be there: nothing is lost, and nothing is there twice.
 */
import type { Store } from '@tutti/engine'
import type { HistoryArchive } from './port.ts'

export interface ArchiverDeps {
  store: Pick<Store, 'feed' | 'subscribe'>
  archive: HistoryArchive
  onError: (error: unknown) => void
  /** Longest time between two looks, should news be lost. */
  safetyIntervalMs?: number
}

export interface Archiver {
  /** Ends after the portion at hand and one more, so that what was committed just before is archived. */
  stop(): Promise<void>
}

/** Lines taken at a time. */
const portion = 1_000
/** After news, so that what comes together is archived together. */
const gatherMs = 200
/** After a fault. */
const pauseMs = 1_000

/**
 * Several instances may archive into one database at once: they do the same work, and the second finds it done. That costs reads, and
 * saves a leader that could be lost.
 */
export const startArchiver = (deps: ArchiverDeps): Archiver => {
  const { store, archive, onError, safetyIntervalMs = 5_000 } = deps
  const abort = new AbortController()
  let ring = (): void => {}
  const unsubscribe = store.subscribe(({ jobs, resync }) => {
    if (jobs?.length || resync) ring()
  })

  const run = async (): Promise<void> => {
    while (!abort.signal.aborted) {
      const news = new Promise<void>((resolve) => {
        ring = resolve
      })
      let more = false
      let wait = safetyIntervalMs
      try {
        more = await archivePortion(store, archive)
      } catch (error) {
        onError(error)
        wait = pauseMs
      }
      if (more) continue
      await pause(wait, abort.signal, wait === pauseMs ? undefined : news)
      await pause(gatherMs, abort.signal)
    }
  }
  const work = run()
  return {
    stop: async () => {
      unsubscribe()
      abort.abort()
      await work
      await archivePortion(store, archive).catch(onError)
    },
  }
}

/** @returns whether there may be more */
export const archivePortion = async (store: Pick<Store, 'feed'>, archive: HistoryArchive): Promise<boolean> => {
  const after = await archive.position()
  const { events, cursor } = await store.feed({ after, limit: portion })
  if (cursor !== null && cursor !== after) await archive.append(events, cursor)
  return events.length >= portion
}

const pause = (ms: number, signal: AbortSignal, sooner?: Promise<void>): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
    void sooner?.then(done)
  })
