/** Where a relay is reached: on a Unix socket of its own, which is mounted into the sandbox. The other way is `callbacks.ts`. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

export interface RelayHandlers {
  request(incoming: IncomingMessage, response: ServerResponse): void
  connect(incoming: IncomingMessage, socket: Duplex, head: Buffer): void
  /** To a stream of events; a request that offers anything else is served as a request. */
  upgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): void
}

/** Options of a relay's server: only events get a connection of their own. */
export const upgradesEvents = {
  shouldUpgradeCallback: ({ method, url, headers }: IncomingMessage): boolean =>
    method === 'GET' && url === '/v1/events' && headers.upgrade === 'tutti-events',
}

/** Resolves when requests are taken; `close` ends every connection. */
export type Listen = (handlers: RelayHandlers) => Promise<{ close(): Promise<void> }>

/** More than the executor and its agent need side by side. */
const maxConnections = 128

/** Time limits for a request to arrive: of the request alone, since answers and long polls have their own. */
export const arrivalLimits = (
  requestMs: number,
): { requestTimeout: number; headersTimeout: number; connectionsCheckingInterval: number } => ({
  // Whoever sends a byte a minute must not hold a place.
  ...{ requestTimeout: requestMs, headersTimeout: requestMs },
  connectionsCheckingInterval: Math.ceil(requestMs / 4),
})

export const onSocket =
  (path: string, requestMs: number): Listen =>
  async (handlers) => {
    const server = createServer({ ...arrivalLimits(requestMs), ...upgradesEvents }, handlers.request)
    server.on('connect', handlers.connect).on('upgrade', handlers.upgrade)
    // A connection that the server closes while the executor is about to use it again looks like a fault.
    server.keepAliveTimeout = 0
    // Each is an open file of this process, which all its sandboxes share.
    server.maxConnections = maxConnections
    server.listen(path)
    await once(server, 'listening')
    return {
      close: async () => {
        const closed = once(server, 'close')
        server.close()
        server.closeAllConnections()
        await closed
      },
    }
  }
