/** Connections that would hold up a close. */
import type { Server } from 'node:http'
import type { Socket } from 'node:net'

export interface Connections {
  /** Ends connections on which nothing was ever asked. */
  cutSilent(): void
  /** Ends whatever is still open when the grace is over; the returned function calls that off. */
  cutAllAfter(graceMs: number): () => void
}

/**
 * Node's server closes idle connections, but counts one that has never sent a request as busy: a client that connects ahead
 * of need would keep the process from ending for a minute and more.
 */
export const watchConnections = (server: Server): Connections => {
  const silent = new Set<Socket>()
  server.on('connection', (socket) => {
    silent.add(socket)
    socket.once('close', () => silent.delete(socket))
  })
  const speaks = ({ socket }: { socket: Socket }): void => {
    silent.delete(socket)
  }
  server.on('request', speaks)
  server.on('upgrade', speaks)
  return {
    cutSilent: () => {
      for (const socket of silent) socket.destroy()
    },
    cutAllAfter: (graceMs) => {
      const timer = setTimeout(() => server.closeAllConnections(), graceMs)
      return () => clearTimeout(timer)
    },
  }
}
