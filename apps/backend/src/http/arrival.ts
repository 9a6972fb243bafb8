/** How long a request may take to arrive. What comes after it, polls, streams and sockets, has limits of its own. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { answerUnreadable } from '@tutti/openapi'
import type { FastifyInstance } from 'fastify'
import { refusalBody } from './errors.ts'

/** Slower is no line that an upload could come over: 1 MB would take more than half an hour. */
const leastBytesPerSecond = 512

/** Options of Node's server. A connection on which nothing comes counts as headers that don't. */
export const headerLimits = (arrivalMs: number) => ({
  headersTimeout: arrivalMs,
  connectionsCheckingInterval: Math.ceil(arrivalMs / 4),
})

/**
 * Ends the connection of whoever stops in the middle of a body, or sends a byte a minute; an upload that goes on may take as long as it
 * needs. Node's own limit is one of the whole request: it would cut off whoever has a slow line and much to send.
 */
export const demandPace = (app: FastifyInstance, arrivalMs: number): void => {
  const least = (leastBytesPerSecond * arrivalMs) / 1000
  app.addHook('onRequest', async ({ raw }, reply) => {
    if (raw.headers['transfer-encoding'] === undefined && Number(raw.headers['content-length'] ?? 0) === 0) return
    let seen = raw.socket.bytesRead
    const timer = setInterval(() => {
      const { bytesRead } = raw.socket
      // What has come and lies here unread is not the sender's delay.
      const isSlow = bytesRead - seen < least && raw.readableLength === 0
      seen = bytesRead
      if (raw.complete || raw.socket.destroyed) clearInterval(timer)
      else if (isSlow) cut(raw, reply.raw)
    }, arrivalMs)
    timer.unref()
    // Also of a request that has its answer already: the rest of its body holds the connection as well.
    for (const event of ['end', 'close']) raw.once(event, () => clearInterval(timer))
  })
}

const cut = (request: IncomingMessage, response: ServerResponse): void => {
  if (response.headersSent) request.socket.destroy()
  else
    tooSlow(
      Object.assign(new Error('the request did not arrive'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' }),
      request.socket,
    )
}

const tooSlow: (error: Error & { code: string }, socket: Socket) => void = answerUnreadable(refusalBody)
