/**
 * Sandboxes that are started ahead: their executors are loaded and wait, stopped, for whichever session comes next, so
 * that its turn begins at once. Such a sandbox has seen nobody's files. Once it is bound it belongs to that session, as
 * one does that was started for it, and it never comes back here.
 */
import { finishBinding } from '@tutti/sandbox'
import type { Logger } from '@tutti/telemetry'
import type { UsedConfig } from '../deps.ts'
import { messageOf } from '../fault.ts'
import type { OpenSandbox, SandboxOrder } from './open.ts'
import { comesToRest } from './rest.ts'

export interface PoolState {
  /** Those that wait, loaded. */
  ready: number
  memory_bytes: number
  /** Turns that had to have a sandbox and found one here, and those for which one had to be started. */
  hits: number
  misses: number
}

export interface SandboxPool {
  /** Fills it, and keeps it full. */
  begin(start: () => Promise<OpenSandbox>): void
  /** One that waited, in the order's workspace and going on; undefined where one is to be started. Never rejects. */
  take(order: SandboxOrder): Promise<OpenSandbox | undefined>
  /** Closes all, and starts none from now on. */
  stop(): Promise<void>
  state(): PoolState
}

export interface PoolOptions {
  size: number
  /** For these and the kept ones together. */
  memoryBytes: number
  /** From one's use to the start of the next: turns have more need of the processors. */
  refillMs: number
  /** How often that is put off again, because a turn is at work. */
  mostPutOff: number
  /** After a start that failed, and where there is no room. */
  retryMs: number
  /** How long an executor may take to load. */
  loadMs: number
}

export const poolOptions = (config: Pick<UsedConfig, 'sandboxKeepMemoryMb' | 'sandboxPool'>): PoolOptions => ({
  ...{ size: config.sandboxPool, memoryBytes: config.sandboxKeepMemoryMb * 1024 ** 2 },
  ...{ refillMs: 1_000, mostPutOff: 10, retryMs: 30_000, loadMs: 30_000 },
})

interface Entry {
  sandbox: OpenSandbox
  memoryBytes: number
}

export interface PoolDeps {
  log: Logger
  /** What the kept sandboxes hold of the memory. */
  held: () => number
  /** Whether a turn is at work. */
  busy: () => boolean
}

export const createSandboxPool = ({ log, held, busy }: PoolDeps, options: PoolOptions): SandboxPool => {
  const ready: Entry[] = []
  let start: (() => Promise<OpenSandbox>) | undefined
  let filling: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  let stopped = options.size === 0
  let [hits, misses] = [0, 0]
  /** Of the last one that was loaded: what the next will hold. */
  let expected = 0

  const memory = (): number => ready.reduce((sum, entry) => sum + entry.memoryBytes, 0)
  const fits = (more: number): boolean => held() + memory() + more <= options.memoryBytes

  const fillSoon = (ms: number): void => {
    clearTimeout(timer)
    if (!stopped) timer = setTimeout(fill, ms).unref()
  }
  const refill = (putOff = 0): void => {
    clearTimeout(timer)
    const next = (): void => (busy() && putOff < options.mostPutOff ? refill(putOff + 1) : fill())
    if (!stopped) timer = setTimeout(next, options.refillMs).unref()
  }
  const fill = (): void => {
    filling ??= fillUp()
      .catch((error: unknown) => {
        log.warn({ reason: messageOf(error) }, 'no sandbox could be started ahead')
        fillSoon(options.retryMs)
      })
      .finally(() => {
        filling = undefined
      })
  }
  const fillUp = async (): Promise<void> => {
    while (!stopped && start !== undefined && ready.length < options.size) {
      if (!fits(expected)) return fillSoon(options.retryMs)
      await add(await start())
    }
  }

  const add = async (sandbox: OpenSandbox): Promise<void> => {
    try {
      if (!(await comesToRest(sandbox, options.loadMs))) throw new Error('its executor did not load')
      expected = await sandbox.memoryBytes()
      // Meanwhile the manager may have begun to stop, or more sandboxes are kept.
      if (stopped || !fits(expected)) return await sandbox.close()
    } catch (error) {
      await sandbox.close()
      throw error
    }
    const entry = { sandbox, memoryBytes: expected }
    ready.push(entry)
    void sandbox.exited.then(() => {
      if (remove(entry)) refill()
      return sandbox.close()
    })
  }
  const remove = (entry: Entry): boolean => {
    const at = ready.indexOf(entry)
    if (at >= 0) ready.splice(at, 1)
    return at >= 0
  }

  const take = async (order: SandboxOrder): Promise<OpenSandbox | undefined> => {
    const entry = ready.shift()
    refill()
    if (entry === undefined) {
      misses += 1
      return undefined
    }
    const { sandbox } = entry
    try {
      await sandbox.bind(order)
      await sandbox.resume()
      hits += 1
      return sandbox
    } catch (error) {
      misses += 1
      log.warn({ reason: messageOf(error), session_id: order.sessionId }, 'a sandbox of the pool could not be bound')
      await sandbox.close()
      // Its end may have come in the middle: the next sandbox is to see all files.
      await finishBinding(order.workspace)
      return undefined
    }
  }

  return {
    begin: (given) => {
      start = given
      fill()
    },
    take,
    stop: async () => {
      stopped = true
      clearTimeout(timer)
      await Promise.all(ready.splice(0).map(({ sandbox }) => sandbox.close()))
      await filling
    },
    state: () => ({ ready: ready.length, memory_bytes: memory(), hits, misses }),
  }
}
