import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type RequestListener, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createForwarder, type Forwarder } from '../src/forwarder.ts'

let folder: string
let socketPath: string
let forwarder: Forwarder
let relay: Server
let answer: RequestListener

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tutti-forwarder-'))
  socketPath = join(folder, 'relay.sock')
  relay = createServer((request, response) => answer(request, response)).listen(socketPath)
  await once(relay, 'listening')
  forwarder = await createForwarder({ socketPath, token: 'the relay token' })
})
afterEach(async () => {
  forwarder.close()
  relay.closeAllConnections()
  relay.close()
  await rm(folder, { recursive: true, force: true })
})

const ask = (path: string, init: RequestInit = {}) =>
  fetch(`${forwarder.url}${path}`, {
    ...init,
    headers: { authorization: `Bearer ${forwarder.token}`, ...init.headers },
  })

it('puts the relay token in the place of whatever the agent presents', async () => {
  answer = (request, response) => {
    response.end(JSON.stringify({ url: request.url, method: request.method, headers: request.headers }))
  }
  const seen = await (await ask('/v1/messages?beta=true', { method: 'POST', headers: { 'x-api-key': 'mine' } })).json()
  expect(seen).toMatchObject({
    url: '/model/v1/messages?beta=true',
    method: 'POST',
    headers: { authorization: 'Bearer the relay token' },
  })
  expect(JSON.stringify(seen)).not.toContain('mine')
  expect(JSON.stringify(seen)).not.toContain(forwarder.token)
})

it('lets nobody in who does not know its own token', async () => {
  answer = (_request, response) => response.end('reached')
  const refused = await fetch(`${forwarder.url}/v1/messages`, { method: 'POST', body: 'x' })
  expect(refused.status).toBe(401)
  expect(await refused.json()).toMatchObject({ type: 'error' })
})

it.each(['/../v1/events', '/v1/../../v1/events', '/%2e%2e/v1/events'])(
  'never leads out of /model by %s',
  async (path) => {
    answer = (request, response) => response.end(request.url)
    const { port } = new URL(forwarder.url)
    const { request } = await import('node:http')
    const outgoing = request({
      port,
      host: '127.0.0.1',
      path,
      headers: { authorization: `Bearer ${forwarder.token}` },
    }).end()
    const [incoming] = await once(outgoing, 'response')
    const reached = (await Array.fromAsync(incoming as AsyncIterable<Buffer>)).join('')
    expect(reached).toMatch(/^\/model\//)
    expect(reached).not.toContain('..')
  },
)

it('streams: the first piece arrives while the rest does not exist yet', async () => {
  const rest = Promise.withResolvers<void>()
  answer = (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('first')
    rest.promise.then(() => response.end('second'))
  }
  const reader = (await ask('/v1/messages')).body?.getReader()
  expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe('first')
  rest.resolve()
  expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe('second')
})

it('ends the call outside when the agent hangs up, so that no tokens are paid for nobody', async () => {
  const ended = Promise.withResolvers<void>()
  answer = (_request, response) => {
    response.on('close', () => ended.resolve())
    response.write('first')
  }
  const stop = new AbortController()
  await ask('/v1/messages', { signal: stop.signal })
  stop.abort()
  await ended.promise
})

it('breaks an answer off where the relay broke off, instead of passing half of it for the whole', async () => {
  answer = (_request, response) => {
    response.writeHead(200)
    response.write('half', () => response.destroy())
  }
  await expect(ask('/v1/messages').then((response) => response.text())).rejects.toThrow()
})

it('waits for a relay that is away, since nothing has been asked of the provider yet', async () => {
  relay.closeAllConnections()
  relay.close()
  const waiting = ask('/v1/messages', { method: 'POST', body: 'the whole request' })
  relay = createServer(async (request, response) => {
    response.end((await Array.fromAsync(request as AsyncIterable<Buffer>)).join(''))
  }).listen(socketPath)
  expect(await (await waiting).text()).toBe('the whole request')
})

it('answers as an unwell provider when the relay is lost in the middle, so that the agent decides to try again', async () => {
  answer = (_request, response) => response.destroy()
  const failed = await ask('/v1/messages', { method: 'POST', body: 'x' })
  expect(failed.status).toBe(502)
  expect(await failed.json()).toMatchObject({ type: 'error', error: { type: 'api_error' } })
})
