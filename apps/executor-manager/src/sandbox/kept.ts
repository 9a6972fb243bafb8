/**
 * Sandboxes that wait between two turns of their session, stopped where they stand: the next turn finds its executor
 * loaded. One that has served a session is never given to another, and it is closed before anybody else writes into its
 * workspace: what runs in it may not be as stopped as it looks.
 */
import type { Logger } from '@tutti/telemetry'
import type { UsedConfig } from '../deps.ts'
import type { OpenSandbox } from './open.ts'
import { comesToRest } from './rest.ts'

/** Why one was closed before a turn came. */
export const evictions = [
  /** No turn came in SANDBOX_KEEP_SECONDS. */
  'time',
  /** Another was kept, and there is room for so many. */
  'count',
  'memory',
  /** The next turn begins with other files than the last one left. */
  'workspace',
  /** It ended by itself, or at a limit. */
  'ended',
  'cancelled',
  'stopping',
] as const
export type Eviction = (typeof evictions)[number]

export interface KeptState {
  kept: number
  memory_bytes: number
  /** Turns that found their session's sandbox, and those that had to start one. */
  hits: number
  misses: number
  evicted: Record<Eviction, number>
}

export interface KeptSandboxes {
  /** Stops it and keeps it; false where it cannot be kept: then it is the caller's to close. Never rejects. */
  keep(sessionId: string, sandbox: OpenSandbox): Promise<boolean>
  /** The session's, still stopped, to go on with or to drop. */
  take(sessionId: string): Taken | undefined
  /** A turn had to start a sandbox. */
  missed(): void
  has(sessionId: string): boolean
  close(sessionId: string, why: Eviction): Promise<void>
  /** Closes all, and keeps none from now on. */
  stop(): Promise<void>
  state(): KeptState
}

export interface Taken {
  /** Lets it go on; undefined where it was dropped or has ended. */
  resume(): Promise<OpenSandbox | undefined>
  /** Closes it: resolves when nothing runs in it any more. Without effect once it goes on. */
  drop(why: Eviction): Promise<void>
}

export interface KeptOptions {
  seconds: number
  most: number
  memoryBytes: number
  /** How long its executor may take to ask for the next turn after the end of one. */
  idleMs: number
}

export const keptOptions = (
  config: Pick<UsedConfig, 'sandboxKeep' | 'sandboxKeepMemoryMb' | 'sandboxKeepSeconds'>,
): KeptOptions => ({
  ...{ seconds: config.sandboxKeepSeconds, most: config.sandboxKeep, idleMs: 2_000 },
  memoryBytes: config.sandboxKeepMemoryMb * 1024 ** 2,
})

interface Entry {
  sandbox: OpenSandbox
  memoryBytes: number
  timer: NodeJS.Timeout
}

export const createKeptSandboxes = ({ log }: { log: Logger }, options: KeptOptions): KeptSandboxes => {
  // In the order in which they were kept: the first was idle for longest.
  const entries = new Map<string, Entry>()
  const evicted = Object.fromEntries(evictions.map((why) => [why, 0])) as Record<Eviction, number>
  let [hits, misses] = [0, 0]
  let stopped = options.seconds === 0 || options.most === 0

  const remove = (sessionId: string): Entry | undefined => {
    const entry = entries.get(sessionId)
    clearTimeout(entry?.timer)
    entries.delete(sessionId)
    return entry
  }
  const closed = async (sessionId: string, { sandbox }: Entry, why: Eviction): Promise<void> => {
    evicted[why] += 1
    log.debug({ session_id: sessionId, why }, 'a kept sandbox is closed')
    await sandbox.close()
  }
  const close = async (sessionId: string, why: Eviction): Promise<void> => {
    const entry = remove(sessionId)
    if (entry !== undefined) await closed(sessionId, entry, why)
  }
  const memory = (): number => [...entries.values()].reduce((sum, entry) => sum + entry.memoryBytes, 0)

  const makeRoom = async (): Promise<void> => {
    for (;;) {
      const why = entries.size > options.most ? 'count' : memory() > options.memoryBytes ? 'memory' : undefined
      const [oldest] = entries.keys()
      if (why === undefined || oldest === undefined) return
      await close(oldest, why)
    }
  }

  const keep = async (sessionId: string, sandbox: OpenSandbox): Promise<boolean> => {
    if (stopped || !(await comesToRest(sandbox, options.idleMs))) return false
    const memoryBytes = await sandbox.memoryBytes()
    // Meanwhile the manager may have begun to stop: what is kept now nobody would close.
    if (stopped || memoryBytes > options.memoryBytes) return false
    const timer = setTimeout(() => void close(sessionId, 'time'), options.seconds * 1000)
    timer.unref()
    const entry = { sandbox, memoryBytes, timer }
    entries.set(sessionId, entry)
    void sandbox.exited.then(() => (entries.get(sessionId) === entry ? close(sessionId, 'ended') : undefined))
    await makeRoom()
    return true
  }

  const take = (sessionId: string): Taken | undefined => {
    const entry = remove(sessionId)
    if (entry === undefined) return undefined
    let resumed = false
    let dropping: Promise<void> | undefined
    // All who ask wait for the same end: each of them is about to write into the workspace.
    const drop = async (why: Eviction): Promise<void> => {
      if (!resumed) dropping ??= closed(sessionId, entry, why)
      await dropping
    }
    void entry.sandbox.exited.then(() => drop('ended'))
    return {
      drop,
      resume: async () => {
        if (dropping === undefined) await entry.sandbox.resume()
        if (dropping !== undefined) return undefined
        resumed = true
        hits += 1
        return entry.sandbox
      },
    }
  }

  return {
    keep: (sessionId, sandbox) =>
      keep(sessionId, sandbox).catch((error: unknown) => {
        log.warn({ err: error, session_id: sessionId }, 'a sandbox could not be kept')
        return false
      }),
    take,
    missed: () => {
      misses += 1
    },
    has: (sessionId) => entries.has(sessionId),
    close,
    stop: async () => {
      stopped = true
      await Promise.all([...entries.keys()].map((sessionId) => close(sessionId, 'stopping')))
    },
    state: () => ({ kept: entries.size, memory_bytes: memory(), hits, misses, evicted: { ...evicted } }),
  }
}
