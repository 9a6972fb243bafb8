/** Forgetting what has ended long ago. Every instance does it now and then; doing it twice changes nothing. */
import type { Store } from '../store/port.ts'

export interface RetentionDeps {
  store: Store
  /** How long jobs stay after their end; null: for ever. Workers and records that have expired go in any case. */
  retentionMs: number | null
  /** Nothing that ended later goes: the archive has not got it yet. */
  purgeBefore: () => Promise<number>
  onError: (error: unknown) => void
}

export interface Retention {
  /** Purges if it is time; answers at once. */
  tick(): void
  idle(): Promise<void>
}

const intervalMs = 60_000
/** Jobs per call, so that none locks the tables for long. */
const limit = 500

export const createRetention = ({ store, retentionMs, purgeBefore, onError }: RetentionDeps): Retention => {
  let nextAt = 0
  let work: Promise<void> | null = null

  const purge = async (): Promise<void> => {
    const before = retentionMs === null ? 0 : Math.min(store.now() - retentionMs, await purgeBefore())
    const request = { finishedBefore: before, feedBefore: before, limit }
    while ((await store.purge(request)).length === limit);
  }
  return {
    tick: () => {
      if (work || store.now() < nextAt) return
      nextAt = store.now() + intervalMs
      work = purge()
        .catch(onError)
        .finally(() => {
          work = null
        })
    },
    idle: async () => {
      await work
    },
  }
}
