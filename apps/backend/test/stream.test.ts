import { connect } from 'node:net'
import type { ClaimedRun, SessionFrame } from '@tutti/contracts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { claimNew, createStage, holder, type Running, read, type Stage } from './support/stage.ts'

let stage: Stage
let one: Running
let two: Running

beforeAll(async () => {
  stage = await createStage()
  one = await stage.backend()
  two = await stage.backend()
})
afterAll(() => stage.close())

const stored = (frames: SessionFrame[]): SessionFrame[] =>
  frames.filter(({ type }) => type !== 'session.snapshot' && type !== 'message.chunk')

const path = (run: ClaimedRun, since?: number): string =>
  `/api/v1/ws/sessions/${run.session_id}${since === undefined ? '' : `?since=${since}`}`

const say = (backend: Running, run: ClaimedRun, n: number, text: string) =>
  backend.manage(`/${run.run_id}/events`, {
    ...holder(run),
    events: [{ n: n - 1, at: 0, event: { type: 'text_delta', text, parent_tool_use_id: null } }, message(n, text)],
  })

const message = (n: number, text: string) => ({
  ...{ n, at: 0 },
  event: { type: 'message', role: 'assistant', blocks: [{ type: 'text', text }], parent_tool_use_id: null },
})

test('stream-resumes-without-gap-or-duplicate', async () => {
  const run = await claimNew(one)
  const backends = [one, two]
  const rounds = 60
  const seqs: number[] = []
  let resumed = 0

  // A reader that loses its connection all the time, now on this backend, now on that one.
  const reading = (async () => {
    let ended = false
    while (!ended) {
      const { address } = backends[resumed % 2] ?? one
      const reader = read(address, path(run, seqs.at(-1) ?? 0))
      const want = 3 + (resumed % 5)
      const isEnd = (frame: SessionFrame): boolean => frame.data.run_status === 'completed'
      const frames = await reader.until((got) => stored(got).length >= want || got.some(isEnd))
      const got = stored(frames)
      expect(frames[0]?.type).toBe('session.snapshot')
      seqs.push(...got.map((frame) => frame.seq))
      ended = got.some(isEnd)
      reader.socket.close()
      await reader.closed
      resumed += 1
    }
  })()

  // Meanwhile the log grows on both: events of the run, and messages of the user.
  const writing = (async () => {
    for (let i = 0; i < rounds; i++) {
      await Promise.all([
        say(backends[i % 2] ?? one, run, i + 1, `word ${i}`),
        i % 10 === 0
          ? (backends[(i + 1) % 2] ?? two).post('/api/v1/tasks', { prompt: `and ${i}`, session_id: run.session_id })
          : undefined,
      ])
    }
    await two.manage(`/${run.run_id}/finish`, { ...holder(run), outcome: 'completed' })
  })()

  await Promise.all([reading, writing])
  expect(resumed).toBeGreaterThan(5)
  expect(seqs).toEqual(seqs.map((_, at) => at + 1))
})

test('live-text-is-shown-on-every-backend-before-the-message-that-holds-it', async () => {
  const run = await claimNew(one)
  // The second one comes with a number that the log has not reached: it belongs to another database.
  const readers = [read(one.address, path(run)), read(two.address, path(run, 1_000_000))]
  await Promise.all(readers.map((reader) => reader.until((frames) => frames.length > 0)))
  // Alone first: a reader that is still reading the log when the whole text is stored is shown only that.
  const part = { n: 0, at: 0, event: { type: 'text_delta', text: 'hello', parent_tool_use_id: null } }
  await one.manage(`/${run.run_id}/events`, { ...holder(run), events: [part] })
  await Promise.all(readers.map((reader) => reader.until((frames) => frames.length > 1)))
  await one.manage(`/${run.run_id}/events`, { ...holder(run), events: [message(1, 'hello')] })
  for (const reader of readers) {
    const frames = await reader.until((got) => stored(got).length > 0)
    expect(frames.map(({ type }) => type)).toEqual(['session.snapshot', 'message.chunk', 'message.new'])
    const [snapshot, chunk, message] = frames
    expect(chunk).toMatchObject({
      seq: snapshot?.seq,
      session_id: run.session_id,
      data: { run_id: run.run_id, kind: 'text', text: 'hello', parent_tool_use_id: null },
    })
    expect(message?.seq).toBe((snapshot?.seq ?? 0) + 1)
    reader.socket.close()
  }
})

test('ping-is-answered-and-a-snapshot-can-be-asked-for', async () => {
  const run = await claimNew(one)
  const reader = read(one.address, path(run))
  await reader.until((frames) => frames.length === 1)
  reader.socket.send('{"type":"ping"}')
  reader.socket.send('not json')
  await reader.until((frames) => frames.length === 2)
  expect(reader.frames[1]).toEqual({ type: 'pong' })
  reader.socket.send('{"type":"session.snapshot.request"}')
  await reader.until((frames) => frames.length === 3)
  expect(reader.frames[2]).toMatchObject({ type: 'session.snapshot', data: { status: 'pending' } })
  reader.socket.close()
})

test('lost-connection-for-news-costs-no-line', async () => {
  const run = await claimNew(one)
  const reader = read(two.address, path(run, 0))
  const before = await reader.until((frames) => stored(frames).length >= 3)
  const last = before.at(-1)?.seq ?? 0
  await stage.database.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where application_name = 'tutti-workbench-listen' and datname = current_database()`,
  )
  await say(one, run, 1, 'while nobody listened')
  const frames = await reader.until((got) => (got.at(-1)?.seq ?? 0) > last)
  expect(stored(frames).map(({ seq }) => seq)).toEqual(stored(frames).map((_, at) => at + 1))
  reader.socket.close()
})

test('reader-that-does-not-read-is-sent-away', async () => {
  const slow = await stage.backend({ maxBufferedBytes: 1000, slowReaderMs: 20 })
  const run = await claimNew(slow)
  // More than the buffers of both ends' kernels hold.
  const text = 'x'.repeat(900_000)
  for (let n = 1; n <= 30; n++) await say(slow, run, n, text)
  const { port } = new URL(slow.address)
  const stuck = connect(Number(port), '127.0.0.1')
  stuck.pause()
  stuck.on('error', () => {})
  stuck.write(
    `GET ${path(run, 0)} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  )
  const { clients } = slow.backend.app.websocketServer
  await expect.poll(() => clients.size).toBe(1)
  await expect.poll(() => clients.size, { timeout: 30_000 }).toBe(0)
  stuck.destroy()

  // One that reads gets all of it, however much that is.
  const reader = read(one.address, path(run, 0))
  const frames = await reader.until((got) => stored(got).length >= 30)
  expect(stored(frames).map(({ seq }) => seq)).toEqual(stored(frames).map((_, at) => at + 1))
  reader.socket.close()
})

test('readers-are-sent-away-when-the-server-closes', async () => {
  const closing = await stage.backend()
  const run = await claimNew(closing)
  const reader = read(closing.address, path(run))
  await reader.until((frames) => frames.length > 0)
  await closing.backend.close()
  expect((await reader.closed).code).toBe(1012)
})

test('a-user-hears-of-every-session-that-changes-on-every-backend-and-of-a-burst-once', async () => {
  const reader = read(two.address, '/api/v1/ws/user')
  await new Promise((resolve) => reader.socket.addEventListener('open', resolve))
  const first = await claimNew(one)
  await reader.until((frames) => frames.some(({ session_id }) => session_id === first.session_id))
  const before = reader.frames.length
  const rounds = 40
  for (let n = 0; n < rounds; n++) await say(n % 2 ? one : two, first, n + 1, `word ${n}`)
  await one.manage(`/${first.run_id}/finish`, { ...holder(first), outcome: 'completed' })
  const frames = await reader.until((got) => got.at(-1)?.data.status === 'completed')
  expect(frames.at(-1)).toMatchObject({ type: 'session.snapshot', session_id: first.session_id })
  expect(frames.length - before).toBeLessThan(rounds)
  reader.socket.close()
})

test('after-a-lost-connection-for-news-a-user-is-told-of-sessions-again', async () => {
  const run = await claimNew(one)
  const reader = read(two.address, '/api/v1/ws/user')
  await new Promise((resolve) => reader.socket.addEventListener('open', resolve))
  await stage.database.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where application_name = 'tutti-workbench-listen' and datname = current_database()`,
  )
  await reader.until((frames) => frames.some(({ session_id }) => session_id === run.session_id))
  reader.socket.close()
})

test('who-claims-to-be-somebody-else-is-sent-away', async () => {
  const run = await claimNew(one)
  for (const where of [path(run), '/api/v1/ws/user']) {
    const query = where.includes('?') ? '&' : '?'
    expect((await read(one.address, `${where}${query}user_id=stranger`).closed).code).toBe(1008)
    expect((await read(one.address, where, { 'x-user-id': 'stranger' }).closed).code).toBe(1008)
  }
  const own = read(one.address, `${path(run)}?user_id=default`, { 'x-user-id': 'default' })
  await own.until((frames) => frames.length > 0)
  own.socket.close()
})

describe('server-sent events', () => {
  /** Reads until enough has come, then hangs up. */
  const events = async (
    backend: Running,
    run: ClaimedRun,
    enough: (got: { id: string | undefined; frame: SessionFrame }[]) => boolean,
    init: { since?: number; lastEventId?: string } = {},
  ) => {
    const gone = new AbortController()
    const query = init.since === undefined ? '' : `?since=${init.since}`
    const response = await fetch(`${backend.address}/api/v1/sessions/${run.session_id}/stream${query}`, {
      signal: gone.signal,
      headers: init.lastEventId === undefined ? {} : { 'last-event-id': init.lastEventId },
    })
    expect(response.headers.get('content-type')).toContain('text/event-stream')
    const got: { id: string | undefined; frame: SessionFrame }[] = []
    let text = ''
    for await (const part of (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream())) {
      text += part
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const lines = text.slice(0, end).split('\n')
        text = text.slice(end + 2)
        const data = lines.find((line) => line.startsWith('data: '))
        if (data)
          got.push({
            id: lines.find((line) => line.startsWith('id: '))?.slice(4),
            frame: JSON.parse(data.slice(6)) as SessionFrame,
          })
      }
      if (enough(got)) break
    }
    gone.abort()
    return got
  }

  test('a-reader-that-comes-back-with-its-last-id-misses-nothing', async () => {
    const run = await claimNew(one)
    for (let n = 1; n <= 10; n++) await say(one, run, n, `word ${n}`)
    const seqs: number[] = []
    let last: string | undefined
    for (const backend of [one, two, one]) {
      const got = await events(backend, run, (all) => stored(all.map(({ frame }) => frame)).length >= 4, {
        ...(last === undefined ? { since: 0 } : { lastEventId: last }),
      })
      expect(got[0]).toMatchObject({ id: undefined, frame: { type: 'session.snapshot' } })
      const lines = got.filter(({ id }) => id !== undefined).slice(0, 4)
      seqs.push(...lines.map(({ frame }) => frame.seq))
      last = lines.at(-1)?.id
    }
    expect(seqs).toEqual(seqs.map((_, at) => at + 1))
    expect(seqs).toHaveLength(12)
  })

  test('what-comes-while-it-reads-comes-at-once-and-a-quiet-stream-says-that-it-lives', async () => {
    const quiet = await stage.backend({ pingMs: 20 })
    const run = await claimNew(quiet)
    const reading = events(quiet, run, (all) => all.some(({ frame }) => frame.type === 'message.new'))
    const response = await fetch(`${quiet.address}/api/v1/sessions/${run.session_id}/stream`)
    const comments = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    while (!text.includes(': still here')) text += (await comments?.read())?.value ?? ''
    await comments?.cancel()
    await say(quiet, run, 1, 'now')
    expect((await reading).at(-1)?.frame.data).toMatchObject({ role: 'assistant', text_preview: 'now' })
  })

  test('an-unknown-session-is-not-found', async () => {
    const response = await fetch(`${one.address}/api/v1/sessions/${crypto.randomUUID()}/stream`)
    expect(response.status).toBe(404)
  })
})
