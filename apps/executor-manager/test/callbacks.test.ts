/** Relays over TCP: whose request is whose, and what a stranger learns. */
import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { silentLogger } from '@tutti/telemetry'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type Callbacks, createCallbacks } from '../src/relay/callbacks.ts'
import { type RelayHandlers, upgradesEvents } from '../src/relay/listen.ts'

let callbacks: Callbacks
let server: Server
let port = 0

beforeEach(async () => {
  callbacks = createCallbacks(silentLogger)
  server = createServer(upgradesEvents, (incoming, response) => {
    if (!callbacks.request(incoming, response)) response.end('the manager')
  })
  server.on('connect', callbacks.connect).on('upgrade', callbacks.upgrade)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  port = (server.address() as AddressInfo).port
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
})

const saying = (text: string): RelayHandlers => ({
  request: (_incoming, response) => void response.end(text),
  connect: (_incoming, socket) => void socket.end(`HTTP/1.1 200 ${text}\r\n\r\n`),
  upgrade: (_incoming, socket) => void socket.end(`HTTP/1.1 101 ${text}\r\n\r\n`),
})
const ask = async (path: string, token?: string): Promise<string> => {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers })
  return answer.ok ? answer.text() : String(answer.status)
}
const connectTo = async (token: string): Promise<string> => {
  const outgoing = httpRequest({
    ...{ host: '127.0.0.1', port, method: 'CONNECT', path: 'example.com:443' },
    headers: { authorization: `Bearer ${token}` },
  }).end()
  const [answer] = await once(outgoing, 'connect')
  return `${answer.statusCode} ${answer.statusMessage}`
}
const streamTo = async (token: string, upgrade = 'tutti-events'): Promise<string> => {
  const outgoing = httpRequest({
    ...{ host: '127.0.0.1', port, path: '/v1/events' },
    headers: { authorization: `Bearer ${token}`, connection: 'upgrade', upgrade },
  }).end()
  const answer = await new Promise<IncomingMessage>((resolve) =>
    outgoing.on('upgrade', resolve).on('response', resolve),
  )
  answer.resume()
  return `${answer.statusCode} ${answer.statusMessage}`
}

it('each-token-leads-to-its-own-relay-and-none-to-nobody', async () => {
  await callbacks.listen('one')(saying('first'))
  const second = await callbacks.listen('two')(saying('second'))
  expect(await ask('/v1/turns/next', 'one')).toBe('first')
  expect(await ask('/model/v1/messages', 'two')).toBe('second')
  expect([await connectTo('one'), await connectTo('two')]).toEqual(['200 first', '200 second'])
  expect([await streamTo('one'), await streamTo('two')]).toEqual(['101 first', '101 second'])
  expect(await streamTo('three')).toBe('401 Unauthorized')
  // Offered beside a request, another protocol makes it no other request.
  expect(await streamTo('one', 'h2c')).toBe('200 OK')
  for (const token of [undefined, '', 'three', 'on', 'ONE']) expect(await ask('/v1/turns/next', token)).toBe('401')
  expect(await connectTo('three')).toBe('401 Unauthorized')
  // What belongs to the manager itself is left to it, whoever asks.
  expect(await ask('/health', 'one')).toBe('the manager')
  await second.close()
  expect(await ask('/v1/turns/next', 'two')).toBe('401')
  expect(await ask('/v1/turns/next', 'one')).toBe('first')
})

it('what-waits-at-a-relay-is-cut-when-the-relay-closes-and-nothing-else', async () => {
  const silent: RelayHandlers = { request: () => undefined, connect: () => undefined, upgrade: () => undefined }
  const closing = await callbacks.listen('closing')(silent)
  await callbacks.listen('staying')(saying('still here'))
  const waiting = ask('/v1/turns/next', 'closing')
  const cut = expect(waiting).rejects.toThrow()
  await once(server, 'request')
  await closing.close()
  await cut
  expect(await ask('/v1/turns/next', 'staying')).toBe('still here')
})
