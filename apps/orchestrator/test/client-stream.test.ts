/** The logs of all jobs of a client: live, resumable, and nobody else's. */
import { expect, onTestFinished, test } from 'vitest'
import { createShrink, startServer, type TestServer, tokens } from './support/server.ts'

interface Line {
  cursor: string
  type: string
  jobId: string
  seq: number
}

const open = async (server: TestServer, query = '', headers: Record<string, string> = {}) => {
  const gone = new AbortController()
  onTestFinished(() => gone.abort())
  const response = await fetch(`${server.url}/api/v1/stream${query}`, {
    headers: { 'x-client-token': tokens.anna, ...headers },
    signal: gone.signal,
  })
  const lines = read(response)
  return {
    response,
    next: async (): Promise<Line> => (await lines.next()).value as Line,
    take: async (count: number): Promise<Line[]> => {
      const taken: Line[] = []
      while (taken.length < count) taken.push((await lines.next()).value as Line)
      return taken
    },
    drop: () => gone.abort(),
  }
}

async function* read(response: Response): AsyncGenerator<Line> {
  let text = ''
  for await (const chunk of (response.body as ReadableStream).pipeThrough(new TextDecoderStream())) {
    text += chunk
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const frame = text.slice(0, end)
      text = text.slice(end + 2)
      const [, cursor, type, data] = /^id: (.*)\nevent: (.*)\ndata: (.*)$/.exec(frame) ?? []
      if (cursor === undefined || type === undefined || data === undefined) continue
      const { job_id, seq } = JSON.parse(data)
      yield { cursor, type, jobId: job_id, seq }
    }
  }
}

const make = async (server: TestServer, who = tokens.anna): Promise<string> =>
  (await server.call('POST', '/api/v1/jobs', { blueprint: 'nothing' }, { 'x-avtomatika-token': who })).body.job_id

test('without a cursor it begins now; every job’s lines come in their order', async () => {
  const server = await startServer()
  await make(server)
  const stream = await open(server)
  expect(stream.response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
  const first = await make(server)
  const second = await createShrink(server)
  const lines = await stream.take(5)
  expect(new Set(lines.map(({ jobId }) => jobId))).toEqual(new Set([first, second]))
  const seqs = (id: string): number[] => lines.filter(({ jobId }) => jobId === id).map(({ seq }) => seq)
  expect([seqs(first), seqs(second)]).toEqual([
    [1, 2, 3],
    [1, 2],
  ])
})

test('resumed behind any line, in either way, nothing is missed and nothing comes twice', async () => {
  const server = await startServer()
  for (let n = 0; n < 4; n += 1) await make(server)
  const whole = await (await open(server, '?since=start')).take(12)
  for (const [at, { cursor }] of whole.slice(0, -1).entries()) {
    const byQuery = await open(server, `?since=${encodeURIComponent(cursor)}`)
    expect(await byQuery.take(whole.length - at - 1)).toEqual(whole.slice(at + 1))
    byQuery.drop()
    const byHeader = await open(server, '', { 'last-event-id': cursor })
    expect(await byHeader.take(whole.length - at - 1)).toEqual(whole.slice(at + 1))
    byHeader.drop()
  }
})

test('a connection that breaks while jobs are made loses nothing', async () => {
  const server = await startServer()
  const stream = await open(server)
  const made: string[] = []
  for (let n = 0; n < 3; n += 1) made.push(await make(server))
  const before = await stream.take(3)
  stream.drop()
  for (let n = 0; n < 3; n += 1) made.push(await make(server))
  const again = await open(server, `?since=${encodeURIComponent(before.at(-1)?.cursor ?? '')}`)
  const lines = [...before, ...(await again.take(made.length * 3 - 3))]
  const expected = made.flatMap((id) => [1, 2, 3].map((seq) => `${id}:${seq}`))
  expect(lines.map(({ jobId, seq }) => `${jobId}:${seq}`).sort()).toEqual(expected.sort())
})

test('strangers’ lines never come', async () => {
  const server = await startServer()
  const stream = await open(server, '?since=start')
  const mine = new Set<string>()
  for (let n = 0; n < 5; n += 1) {
    await make(server, tokens.otto)
    mine.add(await make(server))
  }
  expect(new Set((await stream.take(15)).map(({ jobId }) => jobId))).toEqual(mine)
})

test('a cursor that was never given is refused before the stream begins', async () => {
  const server = await startServer()
  const answer = await server.call('GET', '/api/v1/stream?since=guessed')
  expect([answer.status, answer.body.code]).toEqual([400, 'INVALID_QUERY'])
})
