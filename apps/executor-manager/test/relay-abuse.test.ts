/** What somebody inside a sandbox may try on the relay, with and without its token. */
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { readAllowedHost } from '@tutti/network'
import { afterEach, expect, it, vi } from 'vitest'
import { createProvider, createRelayRig, type RelayRig } from './support/relay.ts'

let rig: RelayRig
const closing: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const setUp = async (given: Parameters<typeof createRelayRig>[0] = {}, hosts: string[] = []): Promise<string[]> => {
  const seen: string[] = []
  const provider = await createProvider((request, response) => {
    seen.push(request.url ?? '')
    response.end('{}')
  })
  closing.push(provider.close)
  rig = await createRelayRig({ baseUrl: provider.url, ...given })
  closing.push(() => rig.close())
  const egress = hosts.flatMap((text) => readAllowedHost(text) ?? [])
  rig.relay.assign({ ...rig.assignment, egress })
  return seen
}

const ask = { model: 'special-model', messages: [], max_tokens: 10 }

/** Bytes as they are; resolves with all that came back when the relay has ended the connection. */
const raw = async (text: string): Promise<{ socket: Socket; answer: Promise<string> }> => {
  const socket = connect(rig.socketPath)
  let got = ''
  socket.setEncoding('utf8').on('data', (chunk) => {
    got += chunk
  })
  socket.on('error', () => {})
  const answer = new Promise<string>((resolve) => socket.once('close', () => resolve(got)))
  await once(socket, 'connect')
  socket.write(text)
  return { socket, answer }
}

const stream = `GET /v1/events HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: tutti-events\r\n`
const authorization = () => `authorization: Bearer ${rig.token}\r\n`

it('a-foreign-run-and-a-foreign-attempt-are-refused', async () => {
  await setUp()
  const events = [{ n: 1, at: 0, event: { type: 'text_delta', text: 'x', parent_tool_use_id: null } }]
  const foreign = { run_id: '00000000-0000-4000-8000-000000000000', attempt: 2, events }
  expect(await rig.tell(foreign)).toMatchObject({ status: 409 })
  expect(await rig.tell({ ...foreign, run_id: rig.turn.run_id, attempt: 1 })).toMatchObject({ status: 409 })
  expect(rig.stored).toEqual([])
})

it('a-token-that-is-kept-opens-nothing-once-the-turn-is-over', async () => {
  const seen = await setUp({}, ['127.0.0.1:9'])
  rig.relay.withdraw()
  expect((await rig.ask('/model/v1/messages', { body: ask })).status).toBe(403)
  expect(await (await raw(`CONNECT 127.0.0.1:9 HTTP/1.1\r\n${authorization()}\r\n`)).answer).toMatch(/^HTTP\/1.1 403/)
  expect(seen).toEqual([])
})

it('nothing-passes-without-the-token-or-with-half-of-it', async () => {
  const seen = await setUp({}, ['127.0.0.1:9'])
  for (const token of [null, '', rig.token.slice(0, -1), `${rig.token}x`, 'undefined'])
    expect((await rig.ask('/model/v1/messages', { body: ask, token })).status).toBe(401)
  expect(await (await raw('CONNECT 127.0.0.1:9 HTTP/1.1\r\nhost: x\r\n\r\n')).answer).toMatch(/^HTTP\/1.1 401/)
  for (const header of ['', `authorization: Bearer ${rig.token}x\r\n`, `x-${authorization()}`])
    expect(await (await raw(`${stream}${header}\r\n{}\n`)).answer).toMatch(/^HTTP\/1.1 401[^{]*$/)
  expect(seen).toEqual([])
})

it.each([
  ['two lengths', 'content-length: 4\r\ncontent-length: 90\r\n'],
  ['a length beside chunks', 'content-length: 4\r\ntransfer-encoding: chunked\r\n'],
  ['chunks by another name', 'transfer-encoding: xchunked\r\n'],
  ['a folded header', 'x-a: b\r\n c\r\ncontent-length: 4\r\n transfer-encoding: chunked\r\n'],
])('a-request-smuggled-by-%s-reaches-nobody', async (_, headers) => {
  const seen = await setUp()
  const hidden = `POST /model/v1/messages HTTP/1.1\r\nhost: x\r\n\r\n`
  const { answer } = await raw(
    `POST /model/v1/messages HTTP/1.1\r\nhost: x\r\n${authorization()}${headers}\r\n0\r\n\r\n${hidden}`,
  )
  expect(await answer).toMatch(/^HTTP\/1.1 4\d\d/)
  expect(seen).toEqual([])
})

it.each([
  ...[
    '/model/v1%2fmessages',
    '/model/%76%31/messages',
    '/model/v1/messages;a',
    '/model/v1/messages/',
    '/model\\v1\\messages',
  ],
  ...['//evil.example/model/v1/messages', '/model//v1/messages', '/model/./../v1/turns/next/../../../model/v1/batches'],
  ...['/v1/../model/v1/files', '/model/v1/messages%00', 'http://evil.example/v1/messages'],
])('the-path-%s-leads-nowhere', async (path) => {
  const seen = await setUp()
  expect((await rig.ask(path, { body: ask })).status).toBe(404)
  expect(seen).toEqual([])
})

it('a-body-without-end-and-headers-without-end-are-cut', async () => {
  await setUp({ settings: { modelBodyBytes: 100_000, eventBodyBytes: 100_000 } })
  const pushed = async (head: string, chunk: string): Promise<string> => {
    const { socket, answer } = await raw(`${head}${authorization()}\r\n`)
    const push = (): void => {
      while (!socket.destroyed && socket.writable && socket.write(chunk));
      socket.once('drain', push)
    }
    push()
    return answer
  }
  const model = 'POST /model/v1/messages HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n'
  expect(await pushed(model, `4000\r\n${'x'.repeat(0x4000)}\r\n`)).toMatch(/^(HTTP\/1.1 413|$)/)
  expect(await pushed(stream, 'x'.repeat(0x4000))).toMatch(/^(HTTP\/1.1 101[^{]*\{"status":413.*\n|)$/)
  const { answer } = await raw(`GET /v1/turns/next HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`)
  expect(await answer).toMatch(/^HTTP\/1.1 431/)
})

it('a-request-that-never-comes-to-its-end-loses-its-place', async () => {
  await setUp({ settings: { requestMs: 200 } })
  const slow = await Promise.all([
    raw(stream),
    raw(`POST /model/v1/messages HTTP/1.1\r\nhost: x\r\n${authorization()}content-length: 1000\r\n\r\n{`),
  ])
  const answers = await Promise.all(slow.map(({ answer }) => answer))
  for (const answer of answers) expect(answer).toMatch(/^(HTTP\/1.1 408|$)/)
  // A long poll is no slow request.
  const polled = await rig.ask('/v1/turns/next')
  expect(polled.status).toBe(200)
})

const listen = async (onSocket: (socket: Socket) => void): Promise<{ server: Server; port: number }> => {
  const server = createServer(onSocket).listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => server.close())
  const address = server.address()
  return { server, port: typeof address === 'object' && address !== null ? address.port : 0 }
}

it('out-of-the-sandbox-to-what-is-listed-and-both-ways', async () => {
  const { port } = await listen((socket) => {
    socket.on('error', () => {})
    socket.on('data', (data) => socket.end(`you said ${data}`))
  })
  await setUp({}, [`127.0.0.1:${port}`])
  const { answer } = await raw(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\n${authorization()}\r\nhello`)
  expect(await answer).toBe('HTTP/1.1 200 Connection established\r\n\r\nyou said hello')
})

it('a-name-that-leads-to-the-hosts-own-network-is-not-connected-to', async () => {
  let reached = 0
  const { port } = await listen((socket) => {
    reached += 1
    socket.destroy()
  })
  // The operator has listed the name; where it leads is another matter.
  await setUp({}, [`localhost:${port}`])
  for (const name of ['localhost', 'LOCALHOST.'])
    expect(await (await raw(`CONNECT ${name}:${port} HTTP/1.1\r\n${authorization()}\r\n`)).answer).toMatch(
      /^HTTP\/1.1 502/,
    )
  for (const target of [`127.0.0.1:${port}`, `[::1]:${port}`, `0.0.0.0:${port}`, `2130706433:${port}`])
    expect(await (await raw(`CONNECT ${target} HTTP/1.1\r\n${authorization()}\r\n`)).answer).toMatch(/^HTTP\/1.1 403/)
  expect(reached).toBe(0)
})

it('connections-and-bytes-have-limits-and-end-with-the-turn', async () => {
  const sockets: Socket[] = []
  const { port } = await listen((socket) => {
    sockets.push(socket.on('error', () => {}))
    socket.resume()
  })
  await setUp({ settings: { egressConnections: 2, egressBytes: 50_000 } }, [`127.0.0.1:${port}`])
  const open = () => raw(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\n${authorization()}\r\n`)
  const [first, second] = [await open(), await open()]
  await vi.waitUntil(() => sockets.length === 2)
  expect(await (await open()).answer).toMatch(/^HTTP\/1.1 429/)
  first.socket.write('x'.repeat(60_000))
  await Promise.all([first.answer, second.answer])
  expect(await (await open()).answer).toMatch(/^HTTP\/1.1 403/)
  rig.relay.withdraw()
  rig.relay.assign({
    ...rig.assignment,
    egress: [`127.0.0.1:${port}`].flatMap((text) => readAllowedHost(text) ?? []),
  })
  const third = await open()
  await vi.waitUntil(() => sockets.length === 3)
  rig.relay.withdraw()
  await third.answer
})
