import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

/** Answers a sandbox with JSON. */
export const answer = (response: ServerResponse, status: number, body: object): void => {
  // An unread body would be taken for the next request on this connection.
  if (status >= 400) response.setHeader('connection', 'close')
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

/** Answers whoever wants a connection of its own, and has not shown the token for it. */
export const refuseConnection = (socket: Duplex): void => {
  socket.on('error', () => socket.destroy())
  socket.end('HTTP/1.1 401 Unauthorized\r\nconnection: close\r\n\r\n')
}
