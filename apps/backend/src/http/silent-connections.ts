import type { Server } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Watches for connections on which nothing was ever asked; the returned function ends them. Node's server closes idle
 * connections, but counts such a one as busy: a client that connects ahead of need would hold up every close.
 */
export const watchSilentConnections = (server: Server): (() => void) => {
  const silent = new Set<Socket>()
  server.on('connection', (socket) => {
    silent.add(socket)
    socket.once('close', () => silent.delete(socket))
  })
  for (const event of ['request', 'upgrade'])
    server.on(event, ({ socket }: { socket: Socket }) => {
      silent.delete(socket)
    })
  return () => {
    for (const socket of silent) socket.destroy()
  }
}
