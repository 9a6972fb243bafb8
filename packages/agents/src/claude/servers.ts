/** The state of the turn's MCP servers: told when the runtime is up, and again whenever one of them has changed. */
import { setTimeout } from 'node:timers/promises'
import type { AgentEvent } from '@tutti/contracts'
import { type Loose, text } from '../loose.ts'

/** Servers start beside the first request. One that has not come after this time is shown as it is. */
const patienceMs = 30_000
const pauseMs = 250

export interface ServerWatch {
  /** Asks once; gives the event where something has changed since the last one. */
  look(): Promise<AgentEvent | undefined>
  /** Looks until no server is on its way any more. */
  follow(signal: AbortSignal, add: (work: Promise<AgentEvent | undefined>) => void): Promise<void>
}

/** `ask` gives the servers in the runtime's own words. */
export const createServerWatch = (ask: () => Promise<readonly Loose[]>): ServerWatch => {
  let last = '[]'
  let pending = false

  const look = async (): Promise<AgentEvent | undefined> => {
    const servers = (await ask()).map((server) => ({
      server_name: text(server.name),
      status: text(server.status),
      message: text(server.error) || null,
    }))
    pending = servers.some(({ status }) => status === 'pending')
    const now = JSON.stringify(servers)
    if (now === last) return undefined
    last = now
    return { type: 'mcp_status', servers }
  }

  return {
    look,
    follow: async (signal, add) => {
      const deadline = performance.now() + patienceMs
      do {
        const looked = look()
        add(looked)
        await looked
        if (pending) await setTimeout(pauseMs, undefined, { signal })
      } while (pending && !signal.aborted && performance.now() < deadline)
    },
  }
}
