import type { WorkerEntry } from '../toml/workers.ts'
import { findByToken, hashToken } from './tokens.ts'

/**
 * `accepted`: the token is good for this worker id. `mismatch`: the token is known, but not good for this id.
 * `refused`: the token is missing or unknown.
 */
export type WorkerVerdict = 'accepted' | 'mismatch' | 'refused'

export interface WorkerDirectory {
  authenticate(workerId: string, token: string | null | undefined): WorkerVerdict
  /** What the worker signs its messages with; `null` where it is not known: see WORKER_SIGNATURES. Never to be stored. */
  secretOf(workerId: string): string | null
  /** Whether this is the hash of the token that is good for the worker at present: what was got for another one is void. */
  isCurrent(workerId: string, tokenHash: string): boolean
  /** Takes the workers of a file that was read again. A token that is no longer in it stops working at once. */
  replace(workers: readonly WorkerEntry[]): void
}

export interface WorkerDirectoryOptions {
  /** `null` when no workers.toml is configured. */
  workers: readonly WorkerEntry[] | null
  /** GLOBAL_WORKER_TOKEN, for every worker id without an entry; empty or `null` lets none of them in. */
  globalToken?: string | null
  /** Keeps the global token itself, and not its hash alone. */
  keepSecrets?: boolean
}

/**
 * Whether a worker is who it says. A worker with an entry answers with its own token only: were the global one good for
 * it too, whoever holds that could take the work of any worker. The entry of exactly this id comes before patterns, and
 * the longest pattern before the others.
 */
export function workerDirectory({ workers, globalToken, keepSecrets }: WorkerDirectoryOptions): WorkerDirectory {
  const fallback = globalToken ? [{ tokenHash: hashToken(globalToken) }] : []
  const fallbackSecret = keepSecrets && globalToken ? globalToken : null
  let entries: Entries = sorted(workers ?? [])
  return {
    authenticate(workerId, token) {
      const owner = findByToken(entries.all, token)
      const isGlobal = findByToken(fallback, token) !== null
      const entry = entryOf(workerId, entries)
      if (owner !== null && owner === entry) return 'accepted'
      if (isGlobal && entry === null) return 'accepted'
      return owner !== null || isGlobal ? 'mismatch' : 'refused'
    },
    secretOf(workerId) {
      const entry = entryOf(workerId, entries)
      return entry === null ? fallbackSecret : entry.secret
    },
    isCurrent(workerId, tokenHash) {
      const entry = entryOf(workerId, entries) ?? fallback[0]
      return entry?.tokenHash === tokenHash
    },
    replace: (next) => {
      entries = sorted(next)
    },
  }
}

interface Entries {
  all: readonly WorkerEntry[]
  exact: ReadonlyMap<string, WorkerEntry>
  patterns: readonly { entry: WorkerEntry; matches: RegExp }[]
}

const patternMark = 'pattern:'

function sorted(workers: readonly WorkerEntry[]): Entries {
  const isPattern = ({ id }: WorkerEntry): boolean => id.startsWith(patternMark) || /[*?]/.test(id)
  return {
    all: workers,
    exact: new Map(workers.filter((entry) => !isPattern(entry)).map((entry) => [entry.id, entry])),
    patterns: workers
      .filter(isPattern)
      .sort((a, b) => b.id.replace(patternMark, '').length - a.id.replace(patternMark, '').length)
      .map((entry) => ({ entry, matches: globToRegExp(entry.id.replace(patternMark, '')) })),
  }
}

/** The empty id is nobody's: with it callers ask whether a token is the global one. */
function entryOf(workerId: string, { exact, patterns }: Entries): WorkerEntry | null {
  if (workerId === '') return null
  return exact.get(workerId) ?? patterns.find(({ matches }) => matches.test(workerId))?.entry ?? null
}

function globToRegExp(glob: string): RegExp {
  // Runs of stars are one: each further one would only multiply the ways to try.
  const source = glob.replaceAll(/\*+|\?|[^A-Za-z0-9_]/g, (part) =>
    part.startsWith('*') ? '.*' : part === '?' ? '.' : `\\${part}`,
  )
  return new RegExp(`^${source}$`)
}
