/**
 * The agent's way to the model: a loopback HTTP server that passes every request on to the relay's `/model`, streaming
 * both ways. It adds the relay token itself, so that the agent and the commands it runs never hold it.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import {
  createServer,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http'
import { connect, type Socket } from 'node:net'
import { backOff } from './backoff.ts'
import type { RelayAddress, RelayPlace } from './relay.ts'

export interface Forwarder {
  /** What ANTHROPIC_BASE_URL is set to. */
  url: string
  /** What the agent presents. It opens this forwarder and nothing else, and ends with this process. */
  token: string
  close(): void
}

/** Between two hops only, or decided here. */
const notPassedOn = new Set([
  'authorization',
  'connection',
  'host',
  'keep-alive',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-api-key',
])

const passedOn = (headers: IncomingHttpHeaders): IncomingHttpHeaders =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !notPassedOn.has(name)))

/** An error in the provider's shape: the agent runtime then retries as it would with the provider itself. */
const refuse = (response: ServerResponse, status: number, type: string, message: string): void => {
  if (response.headersSent) {
    response.destroy()
    return
  }
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ type: 'error', error: { type, message } }))
}

const same = (presented: string, expected: string): boolean =>
  presented.length === expected.length && timingSafeEqual(Buffer.from(presented), Buffer.from(expected))

/** How long a call waits for a relay that is away: a manager restarts in seconds, and then nothing is lost. */
const patienceMs = 60_000
/** As after this many attempts: under a second, since somebody waits for the answer. */
const longestPause = 5

const connectOnce = (place: RelayPlace): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connect('socketPath' in place ? { path: place.socketPath } : place)
    socket.once('connect', () => resolve(socket.off('error', reject))).once('error', reject)
  })

/**
 * Connects before anything is sent: until then trying again is free, while a request that broke off may have been paid
 * for already. That one is the agent runtime's to repeat.
 */
const connectPatiently = async (place: RelayPlace, signal: AbortSignal): Promise<Socket> => {
  const deadline = performance.now() + patienceMs
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await connectOnce(place)
    } catch (error) {
      if (performance.now() > deadline) throw error
      await backOff(Math.min(attempt, longestPause), signal)
    }
  }
}

/** Starts the forwarder on a free port of 127.0.0.1. */
export const createForwarder = async ({ token: relayToken, ...place }: RelayAddress): Promise<Forwarder> => {
  const token = randomBytes(24).toString('hex')

  const forward = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const hungUp = new AbortController()
    response.on('close', () => hungUp.abort())
    const socket = await connectPatiently(place, hungUp.signal)
    // Parsed first, so that `..` cannot climb out of `/model` to the relay's other addresses.
    const { pathname, search } = new URL(incoming.url ?? '/', 'http://relay')
    const outgoing = httpRequest({
      createConnection: () => socket,
      method: incoming.method,
      path: `/model${pathname}${search}`,
      headers: { ...passedOn(incoming.headers), host: 'relay', authorization: `Bearer ${relayToken}` },
      signal: hungUp.signal,
    })
    outgoing.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, passedOn(answer.headers))
      // At once: the first token of a stream may be seconds behind its headers.
      response.flushHeaders()
      answer.on('error', () => response.destroy())
      answer.on('close', () => {
        if (!answer.complete) response.destroy()
      })
      answer.pipe(response)
    })
    outgoing.on('error', () => refuse(response, 502, 'api_error', 'The relay could not be reached.'))
    incoming.on('error', () => outgoing.destroy())
    incoming.pipe(outgoing)
  }

  const server = createServer((incoming, response) => {
    if (!same(incoming.headers.authorization ?? '', `Bearer ${token}`)) {
      incoming.resume()
      refuse(
        response,
        401,
        'authentication_error',
        'This is the executor’s model address; it takes its own token only.',
      )
      return
    }
    forward(incoming, response).catch(() => refuse(response, 502, 'api_error', 'The relay could not be reached.'))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    url: `http://127.0.0.1:${port}`,
    token,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
