/** Handing the turn to the executor when it asks for work. */
import type { ServerResponse } from 'node:http'
import type { Turn } from '@tutti/contracts'

export interface TurnDesk {
  /** Answers an executor: the turn, or nothing after a while. */
  next(response: ServerResponse): void
  offer(turn: Turn): void
  clear(): void
  /** Resolves when an executor has nothing to do: it asks for a turn, and there is none. */
  idle(): Promise<void>
  /** No turn will come: executors end. */
  end(): void
}

export const createTurnDesk = (pollMs: number): TurnDesk => {
  const waiting = new Set<ServerResponse>()
  let turn: Turn | undefined
  let ended = false
  let idle = Promise.withResolvers<void>()

  const serve = (response: ServerResponse): boolean => {
    // Stays on the desk until it is cleared: an executor whose answer got lost asks again, and must not wait in vain.
    if (turn !== undefined) {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(turn))
      return true
    }
    if (ended) response.writeHead(410).end()
    return ended
  }

  const serveAll = (): void => {
    for (const response of waiting) if (serve(response)) waiting.delete(response)
  }

  return {
    next: (response) => {
      if (serve(response)) return
      waiting.add(response)
      idle.resolve()
      const timer = setTimeout(() => {
        if (waiting.delete(response)) response.writeHead(204).end()
      }, pollMs)
      response.on('close', () => {
        clearTimeout(timer)
        waiting.delete(response)
      })
    },
    offer: (given) => {
      turn = given
      idle = Promise.withResolvers()
      serveAll()
    },
    clear: () => {
      turn = undefined
    },
    idle: () => idle.promise,
    end: () => {
      turn = undefined
      ended = true
      serveAll()
    },
  }
}
