/**
 * Relays over TCP, for sandboxes that have a network and no socket: all at CALLBACK_BASE_URL, which leads to the manager's own
 * port, told apart by their tokens. Whoever has no token of a sandbox that lives learns nothing here.
 */
import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Logger } from '@tutti/telemetry'
import { answer, refuseConnection } from './answer.ts'
import type { Listen, RelayHandlers } from './listen.ts'

export interface Callbacks {
  /** For the requests of sandboxes; false where it is not one, and somebody else is to answer. */
  request(incoming: IncomingMessage, response: ServerResponse): boolean
  connect(incoming: IncomingMessage, socket: Duplex, head: Buffer): void
  upgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): void
  /** For the relay of the sandbox that is given this token. */
  listen(token: string): Listen
}

interface Open {
  handlers: RelayHandlers
  connections: Set<Duplex>
}

export const createCallbacks = (log: Logger): Callbacks => {
  // By the digest: a look-up by what a stranger sends would tell by its time how much of it is right.
  const open = new Map<string, Open>()
  const digest = (authorization: string): string => createHash('sha256').update(authorization).digest('base64')
  const find = ({ headers }: IncomingMessage, connection: Duplex): Open | undefined => {
    const found = open.get(digest(headers.authorization ?? ''))
    if (found === undefined || found.connections.has(connection)) return found
    found.connections.add(connection)
    connection.once('close', () => found.connections.delete(connection))
    return found
  }
  const hand =
    (to: 'connect' | 'upgrade') =>
    (incoming: IncomingMessage, socket: Duplex, head: Buffer): void => {
      const found = find(incoming, socket)
      if (found !== undefined) found.handlers[to](incoming, socket, head)
      else {
        log.warn('a connection through the relays without the token of a sandbox')
        refuseConnection(socket)
      }
    }

  return {
    request: (incoming, response) => {
      if (!/^\/(v1|model)\//.test(incoming.url ?? '')) return false
      const found = find(incoming, incoming.socket)
      if (found !== undefined) found.handlers.request(incoming, response)
      else {
        log.warn('a request to the relays without the token of a sandbox')
        answer(response, 401, { error: 'the relay takes its own token only' })
      }
      return true
    },
    connect: hand('connect'),
    upgrade: hand('upgrade'),
    listen: (token) => async (handlers) => {
      const key = digest(`Bearer ${token}`)
      const mine: Open = { handlers, connections: new Set() }
      open.set(key, mine)
      return {
        close: async () => {
          open.delete(key)
          for (const connection of mine.connections) connection.destroy()
        },
      }
    },
  }
}
