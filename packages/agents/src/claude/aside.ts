/**
 * Events that come from beside the runtime's messages: a picture that was stored, a server that was asked for its state.
 * They wait here until the next message, and the turn's end waits for those that are still being made.
 */
import { setTimeout } from 'node:timers/promises'
import type { AgentEvent } from '@tutti/contracts'

export interface Aside {
  /** Adds what the work makes, when it is done. Work that fails adds nothing. */
  add(work: Promise<AgentEvent | undefined>): void
  /** What has come since the last time, in the order in which it came. */
  take(): AgentEvent[]
  /** Waits for what is still being made, but not longer than that. */
  settle(ms: number): Promise<void>
}

export const createAside = (): Aside => {
  let ready: AgentEvent[] = []
  const working = new Set<Promise<void>>()
  return {
    add: (work) => {
      const done = work
        .then(
          (event) => {
            if (event !== undefined) ready.push(event)
          },
          () => undefined,
        )
        .finally(() => working.delete(done))
      working.add(done)
    },
    take: () => {
      const taken = ready
      ready = []
      return taken
    },
    settle: async (ms) => {
      const patience = new AbortController()
      try {
        await Promise.race([Promise.all(working), setTimeout(ms, undefined, { signal: patience.signal })])
      } finally {
        patience.abort()
      }
    },
  }
}
