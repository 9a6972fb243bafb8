import { randomUUID } from 'node:crypto'
import type { SessionFrame } from '@tutti/contracts'
import { expect, test } from 'vitest'
import type { WebSocket } from 'ws'
import { TuttiApiError } from '../src/index.ts'
import { createManualClock } from './support/manual-clock.ts'
import { testServer, until, workbenchOf } from './support/setup.ts'

const sessionId = randomUUID()
const frame = (seq: number, type: SessionFrame['type'] = 'message.new'): SessionFrame => ({
  type,
  session_id: sessionId,
  seq,
  data: { n: seq },
  timestamp: '2030-01-01T00:00:00.000Z',
})
const send = (socket: WebSocket, ...frames: object[]) => {
  for (const one of frames) socket.send(JSON.stringify(one))
}

/** Reads until `count` frames have come. */
const read = async (frames: AsyncIterable<SessionFrame>, count: number): Promise<SessionFrame[]> => {
  const got: SessionFrame[] = []
  for await (const one of frames) {
    got.push(one)
    if (got.length === count) break
  }
  return got
}
const numbers = (frames: SessionFrame[]) => frames.map(({ seq }) => seq)

const socketServer = async (onConnect: (socket: WebSocket, since: number, connection: number) => void) => {
  const seen: { since: number; token: string | undefined; socket: WebSocket }[] = []
  const server = await testServer(
    ({ json }) => json(404, {}),
    (socket, url, headers) => {
      const since = Number(url.searchParams.get('since'))
      seen.push({ since, token: headers.authorization, socket })
      onConnect(socket, since, seen.length)
    },
  )
  return { ...server, seen }
}

test('goes-on-after-the-last-frame-when-the-connection-breaks', async () => {
  const server = await socketServer((socket, since, connection) => {
    send(socket, frame(9, 'session.snapshot'), frame(since + 1), frame(since + 2))
    if (connection < 3) socket.close()
  })
  const frames = await read(workbenchOf(server).sessions.stream(sessionId, { since: 3 }), 9)
  expect(numbers(frames.filter(({ type }) => type === 'message.new'))).toEqual([4, 5, 6, 7, 8, 9])
  // The snapshot tells the newest number; that must not be taken for one that was read.
  expect(frames.filter(({ type }) => type === 'session.snapshot')).toHaveLength(3)
  expect(server.seen.map(({ since }) => since)).toEqual([3, 5, 7])
  expect(server.seen.every(({ token }) => token === 'Bearer a-token')).toBe(true)
})

test('frames-that-come-again-are-left-out-and-missing-ones-asked-for', async () => {
  const server = await socketServer((socket, since, connection) => {
    if (connection === 1) send(socket, frame(1), frame(1), frame(2), frame(4))
    else send(socket, frame(since), frame(since + 1), frame(since + 2))
  })
  expect(numbers(await read(workbenchOf(server).sessions.stream(sessionId), 4))).toEqual([1, 2, 3, 4])
  expect(server.seen.map(({ since }) => since)).toEqual([0, 2])
})

test('chunks-are-shown-but-not-counted', async () => {
  const server = await socketServer((socket) =>
    send(socket, frame(1), frame(1, 'message.chunk'), frame(1, 'message.chunk'), frame(2)),
  )
  expect(numbers(await read(workbenchOf(server).sessions.stream(sessionId), 4))).toEqual([1, 1, 1, 2])
})

test('frame-of-a-kind-not-known-yet-does-not-break-the-count', async () => {
  const server = await socketServer((socket) =>
    send(socket, frame(1), { ...frame(2), type: 'invented.later' }, { type: 'pong' }, frame(3)),
  )
  expect(numbers(await read(workbenchOf(server).sessions.stream(sessionId), 2))).toEqual([1, 3])
  expect(server.seen).toHaveLength(1)
})

test('leaving-the-loop-closes-the-connection', async () => {
  const server = await socketServer((socket) => send(socket, frame(1)))
  await read(workbenchOf(server).sessions.stream(sessionId), 1)
  await until(() => server.seen[0]?.socket.readyState === 3)
  expect(server.seen).toHaveLength(1)
})

test('abort-ends-a-waiting-reader', async () => {
  const server = await socketServer((socket) => send(socket, frame(1)))
  const aborting = new AbortController()
  const reading = read(workbenchOf(server).sessions.stream(sessionId, { signal: aborting.signal }), 2)
  await until(() => server.seen.length === 1)
  aborting.abort(new Error('enough'))
  await expect(reading).rejects.toThrow('enough')
})

test('session-of-somebody-else-is-told-not-retried', async () => {
  const server = await socketServer((socket) => socket.close(1008, 'not yours'))
  const error = await read(workbenchOf(server).sessions.stream(sessionId), 1).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(TuttiApiError)
  expect(error).toMatchObject({ code: 'FORBIDDEN', message: expect.stringContaining('not yours') })
  expect(server.seen).toHaveLength(1)
})

test.each([
  ['handshake refused', undefined],
  ['closed without a word', (socket: WebSocket) => socket.terminate()],
])('why-a-stream-does-not-open-is-asked-of-the-session: %s', async (_name, onSocket) => {
  const inner = { error: 'Session not found', code: 'SESSION_NOT_FOUND', retryable: false, hint: 'Check the id.' }
  const server = await testServer(({ json }) => json(404, { code: 40400, message: '', data: inner }), onSocket)
  const reading = read(workbenchOf(server).sessions.stream(sessionId), 1)
  await expect(reading).rejects.toMatchObject({ status: 404, code: 'SESSION_NOT_FOUND' })
})

test('silent-connection-is-asked-once-then-opened-again', async () => {
  const clock = createManualClock()
  const pings: string[] = []
  const server = await socketServer((socket, since) => {
    socket.on('message', (data) => pings.push(String(data)))
    send(socket, frame(since + 1))
  })
  const got: number[] = []
  const aborting = new AbortController()
  const reading = (async () => {
    const { sessions } = workbenchOf(server, { clock, idleMs: 60_000 })
    for await (const { seq } of sessions.stream(sessionId, { signal: aborting.signal })) got.push(seq)
  })().catch(() => {})
  await until(() => got.length === 1)
  clock.advance(30_000)
  await until(() => pings.length === 1)
  expect(JSON.parse(pings[0] ?? '')).toEqual({ type: 'ping' })
  clock.advance(30_000)
  await until(() => clock.sleeping().some((ms) => ms <= 2))
  clock.advance(2)
  await until(() => got.length === 2)
  expect(got).toEqual([1, 2])
  aborting.abort()
  await reading
})

test('reader-far-behind-gets-everything-without-an-endless-queue', async () => {
  const total = 25_000
  const server = await socketServer((socket, since) => {
    for (let seq = since + 1; seq <= total; seq += 1) send(socket, frame(seq))
  })
  const got: number[] = []
  for await (const { seq } of workbenchOf(server).sessions.stream(sessionId)) {
    got.push(seq)
    // The reader rests until everything that the server sends now has arrived or was refused.
    if (seq === 1) await until(() => server.seen[0]?.socket.readyState === 3)
    if (seq === total) break
  }
  expect(got).toEqual(Array.from({ length: total }, (_, index) => index + 1))
  expect(server.seen.length).toBeGreaterThan(1)
})
