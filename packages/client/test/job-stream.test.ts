import { isTerminal, type JobEventView, type JobStatus } from '@tutti/contracts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { TuttiApiError } from '../src/index.ts'
import { createManualClock } from './support/manual-clock.ts'
import type { Exchange } from './support/server.ts'
import { aJob, aLine, aLog, clientOf, collect, jobId, sseFrame, testServer, until } from './support/setup.ts'

const seqs = (lines: JobEventView[]) => lines.map(({ seq }) => seq)
const head = ({ response }: Exchange) => response.writeHead(200, { 'content-type': 'text/event-stream' })

/** Streams the log as the orchestrator does; `cut` may end a connection anywhere in the text. */
const jobServer = (
  log: JobEventView[],
  cut: (text: string, connection: number) => string | undefined = () => undefined,
) => {
  let connections = 0
  return testServer((exchange) => {
    const { path, query, json, response, drop } = exchange
    const status: JobStatus = log.at(-1)?.event_type === 'job_failed' ? 'failed' : 'finished'
    if (!path.endsWith('/stream')) return json(200, aJob({ seq: log.length, status }))
    const since = Number(query.get('since'))
    if (isTerminal(status) && since >= log.length) return response.writeHead(204).end()
    connections += 1
    const text = log.slice(since).map(sseFrame).join('')
    const part = cut(text, connections)
    head(exchange).write(part ?? text, () => (part === undefined ? response.end() : drop()))
  })
}

test('a stream ends after the line that ends the job', async () => {
  const server = await jobServer(aLog(5, 'job_failed'))
  const lines = await collect(clientOf(server).jobs.stream(jobId))
  expect(lines).toEqual(aLog(5, 'job_failed'))
  expect(server.requests).toHaveLength(1)
})

test('a stream begins after `since`', async () => {
  const server = await jobServer(aLog(9))
  expect(seqs(await collect(clientOf(server).jobs.stream(jobId, { since: 6 })))).toEqual([7, 8, 9])
})

test('wherever-the-connection-breaks-no-line-is-lost-or-doubled', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 12 }),
      fc.array(fc.nat({ max: 3000 }), { maxLength: 6 }),
      async (count, cuts) => {
        const server = await jobServer(aLog(count), (text, connection) => {
          const at = cuts[connection - 1]
          return at === undefined || at >= text.length ? undefined : text.slice(0, at)
        })
        expect(seqs(await collect(clientOf(server).jobs.stream(jobId)))).toEqual(seqs(aLog(count)))
        await server.close()
      },
    ),
    { numRuns: 30 },
  )
})

test('resuming-asks-for-what-follows-the-last-line', async () => {
  const server = await jobServer(aLog(4), (text, connection) => (connection === 1 ? text.slice(0, -20) : undefined))
  await collect(clientOf(server).jobs.stream(jobId))
  const resumed = server.requests.at(-1)
  expect(resumed?.query.get('since')).toBe('3')
  expect(resumed?.headers['last-event-id']).toBe('3')
})

test('lines-that-come-again-are-left-out', async () => {
  const log = aLog(4)
  const again = [1, 2, 1, 2, 3, 3, 4].map((seq) => log[seq - 1] ?? aLine(seq))
  const server = await testServer((exchange) => head(exchange).end(again.map(sseFrame).join('')))
  expect(seqs(await collect(clientOf(server).jobs.stream(jobId)))).toEqual([1, 2, 3, 4])
})

test('line-missing-in-the-middle-is-asked-for', async () => {
  const log = aLog(5)
  let connections = 0
  const server = await testServer((exchange) => {
    connections += 1
    const since = Number(exchange.query.get('since'))
    const lines = log.slice(since).filter(({ seq }) => connections > 1 || seq !== 3)
    head(exchange).end(lines.map(sseFrame).join(''))
  })
  expect(seqs(await collect(clientOf(server).jobs.stream(jobId)))).toEqual([1, 2, 3, 4, 5])
  expect(server.requests.at(-1)?.query.get('since')).toBe('2')
})

test('log-whose-oldest-lines-are-gone-is-not-waited-for', async () => {
  const server = await testServer((exchange) => head(exchange).end(aLog(9).slice(5).map(sseFrame).join('')))
  expect(seqs(await collect(clientOf(server).jobs.stream(jobId)))).toEqual([6, 7, 8, 9])
  expect(server.requests).toHaveLength(1)
})

test('stream-of-an-ended-job-from-its-end-is-empty', async () => {
  const server = await jobServer(aLog(3))
  expect(await collect(clientOf(server).jobs.stream(jobId, { since: 3 }))).toEqual([])
  // A server that closes an empty stream instead of answering 204 must not be asked for ever either.
  const closing = await testServer((exchange) =>
    exchange.path.endsWith('/stream') ? head(exchange).end() : exchange.json(200, aJob({ seq: 3 })),
  )
  expect(await collect(clientOf(closing).jobs.stream(jobId, { since: 3 }))).toEqual([])
})

test('silent-connection-is-opened-again', async () => {
  const clock = createManualClock()
  const log = aLog(2)
  const server = await testServer((exchange) => {
    const since = Number(exchange.query.get('since'))
    if (since === 0) head(exchange).write(log.slice(0, 1).map(sseFrame).join(''))
    else head(exchange).end(log.slice(since).map(sseFrame).join(''))
  })
  const lines: number[] = []
  const reading = (async () => {
    for await (const { seq } of clientOf(server, { clock, idleMs: 60_000 }).jobs.stream(jobId)) lines.push(seq)
  })()
  await until(() => lines.length === 1)
  clock.advance(60_000)
  await until(() => clock.sleeping().some((ms) => ms <= 2))
  clock.advance(2)
  await reading
  expect(lines).toEqual([1, 2])
})

test.each([401, 404])('refused-stream-is-told-not-retried: %i', async (status) => {
  const server = await testServer(({ json }) => json(status, {}))
  const error = await collect(clientOf(server).jobs.stream(jobId)).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(TuttiApiError)
  expect(error).toMatchObject({ status })
  expect(server.requests).toHaveLength(1)
})

test('server-that-never-comes-back-ends-the-stream-with-an-error', async () => {
  const server = await testServer(() => {})
  await server.close()
  await expect(collect(clientOf(server).jobs.stream(jobId))).rejects.toMatchObject({ code: 'NETWORK_ERROR' })
})

test('abort-and-leaving-the-loop-close-the-connection', async () => {
  let open = 0
  const server = await testServer((exchange) => {
    open += 1
    exchange.response.on('close', () => {
      open -= 1
    })
    head(exchange).write(sseFrame(aLine(1)))
  })
  const { jobs } = clientOf(server)
  for await (const _line of jobs.stream(jobId)) break
  await until(() => open === 0)
  const aborting = new AbortController()
  const reading = collect(jobs.stream(jobId, { signal: aborting.signal }))
  await until(() => open === 1)
  aborting.abort(new Error('enough'))
  await expect(reading).rejects.toThrow('enough')
  await until(() => open === 0)
})

test('wait gives the job as it ended', async () => {
  let asked = 0
  const server = await testServer((exchange) => {
    if (exchange.path.endsWith('/stream')) return head(exchange).end(aLog(4).slice(2).map(sseFrame).join(''))
    asked += 1
    exchange.json(200, asked === 1 ? aJob({ seq: 2, status: 'running', result: null }) : aJob({ seq: 4 }))
  })
  expect(await clientOf(server).jobs.wait(jobId)).toMatchObject({ status: 'finished', result: { ok: true } })
  expect(server.requests[1]?.query.get('since')).toBe('2')
})
