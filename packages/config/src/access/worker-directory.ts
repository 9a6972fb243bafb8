import type { WorkerEntry } from '../toml/workers.ts'
import { findByToken, hashToken } from './tokens.ts'

/**
 * `accepted`: the token is good for this worker id. `mismatch`: the token is known, but not good for this id.
 * `refused`: the token is missing or unknown.
 */
export type WorkerVerdict = 'accepted' | 'mismatch' | 'refused'

export interface WorkerDirectory {
  authenticate(workerId: string, token: string | null | undefined): WorkerVerdict
  /** Takes the workers of a file that was read again. A token that is no longer in it stops working at once. */
  replace(workers: readonly WorkerEntry[]): void
}

export interface WorkerDirectoryOptions {
  /** `null` when no workers.toml is configured. */
  workers: readonly WorkerEntry[] | null
  /** GLOBAL_WORKER_TOKEN, for every worker id without an entry; empty or `null` lets none of them in. */
  globalToken?: string | null
}

/**
 * Whether a worker is who it says. A worker with an entry answers with its own token only: were the global one good for
 * it too, whoever holds that could take the work of any worker.
 */
export function workerDirectory({ workers, globalToken }: WorkerDirectoryOptions): WorkerDirectory {
  const fallback = globalToken ? [{ tokenHash: hashToken(globalToken) }] : []
  let entries = workers ?? []
  return {
    authenticate(workerId, token) {
      const owner = findByToken(entries, token)
      const isGlobal = findByToken(fallback, token) !== null
      const hasEntry = entries.some((entry) => entry.id === workerId)
      if (owner?.id === workerId) return 'accepted'
      if (isGlobal && !hasEntry) return 'accepted'
      return owner !== null || isGlobal ? 'mismatch' : 'refused'
    },
    replace: (next) => {
      entries = next
    },
  }
}
