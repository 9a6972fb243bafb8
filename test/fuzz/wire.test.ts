/** Bytes that no request library sends: broken off, slow, garbled; and WebSockets that speak nonsense. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { call } from '../endpoints/call.ts'
import { type Processes, type Server, startProcesses } from './processes.ts'

let processes: Processes
let backend: Server
beforeAll(async () => {
  processes = await startProcesses()
  const [first] = processes.servers
  if (!first) throw new Error('no backend')
  backend = first
})
afterAll(() => processes?.close())

const open = async ({ url }: Server): Promise<Socket> => {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  // That it is cut is what is looked for.
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** Everything until the server ends the connection. */
const answerTo = async (server: Server, bytes: string | Buffer): Promise<string> => {
  const socket = await open(server)
  let text = ''
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
  })
  const closed = once(socket, 'close')
  socket.write(bytes)
  await closed
  return text
}

const wellWithin = async (server: Server, ms: number): Promise<void> => {
  const begun = performance.now()
  expect((await call(server.url, { method: 'GET', path: server.healthPath })).status).toBe(200)
  expect(performance.now() - begun).toBeLessThan(ms)
}

test('bytes-that-are-no-request-are-refused-in-the-form-of-all-refusals', async () => {
  for (const server of processes.servers)
    for (const bytes of [
      'nonsense\r\n\r\n',
      '\0\0\0\0\r\n\r\n',
      'GET / HTTP/9.9\r\nhost: x\r\n\r\n',
      'GET /\0 HTTP/1.1\r\nhost: x\r\n\r\n',
      'POST /api/v1/tasks HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      'POST /api/v1/tasks HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n',
      Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03]),
    ]) {
      const answer = await answerTo(server, bytes)
      expect(answer, JSON.stringify(String(bytes))).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
      const refusal = { code: 'INVALID_REQUEST', retryable: false }
      expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toMatchObject(
        server.refusals === 'plain' ? refusal : { code: 40000, data: refusal },
      )
    }
})

test('a-hundred-requests-that-never-end-hold-nobody-up', async () => {
  const head = 'POST /api/v1/tasks HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n'
  const authorized = `authorization: ${backend.headers.authorization}\r\n`
  const sockets = await Promise.all(
    Array.from({ length: 100 }, async (_, at) => {
      const socket = await open(backend)
      socket.write(at % 2 === 0 ? head : `${head}${authorized}content-length: 1000\r\n\r\n{"prompt":`)
      return socket
    }),
  )
  await wellWithin(backend, 2_000)
  for (const socket of sockets) socket.destroy()
  await wellWithin(backend, 2_000)
})

test('a-WebSocket-that-speaks-nonsense-or-too-much-is-cut', async () => {
  const upgrade = [
    'GET /api/v1/ws/user HTTP/1.1',
    ...['host: 127.0.0.1', 'connection: Upgrade', 'upgrade: websocket', 'sec-websocket-version: 13'],
    ...['sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==', `authorization: ${backend.headers.authorization}`],
    '\r\n',
  ].join('\r\n')
  const long = Buffer.alloc(14 + 20_000)
  long.set([0x81, 0xff, 0, 0, 0, 0, 0, 0, 0x4e, 0x20])
  const claimed = Buffer.from([0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0])
  for (const frame of [
    Buffer.from('nonsense, and no frame at all'),
    // Not masked, an opcode that there is not, a close of one byte, a ping that is too long, text that is no UTF-8.
    Buffer.from([0x81, 0x02, 0x68, 0x69]),
    Buffer.from([0x83, 0x80, 0, 0, 0, 0]),
    Buffer.from([0x88, 0x81, 0, 0, 0, 0, 1]),
    Buffer.from([0x89, 0xfe, 0x01, 0x00, 0, 0, 0, 0]),
    Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe]),
    ...[long, claimed],
  ]) {
    const answer = await answerTo(backend, Buffer.concat([Buffer.from(upgrade), frame]))
    expect(answer, frame.subarray(0, 8).toString('hex')).toMatch(/^HTTP\/1\.1 101 /)
  }
  expect(backend.alive()).toBe(true)
  await wellWithin(backend, 2_000)
})

test('nothing-of-it-is-an-error-of-the-server', () => {
  for (const server of processes.servers) {
    expect(server.alive()).toBe(true)
    expect(server.log()).not.toContain('"level":"ERROR"')
    expect(processes.secrets.filter((secret) => server.log().includes(secret))).toEqual([])
  }
})
