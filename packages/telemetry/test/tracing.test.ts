import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { noTracing, parseTraceparent, type SpanRecord, startTracing, writeTraceparent } from '../src/index.ts'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const spanId = '00f067aa0ba902b7'
const parent = `00-${traceId}-${spanId}-01`
const servers: Server[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise((done) => server.close(done))
})

/** A collector, as far as it takes what it is sent. */
const collector = async () => {
  const received: { path: string; body: Buffer }[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk) => chunks.push(chunk))
    request.on('end', () => {
      received.push({ path: request.url ?? '', body: Buffer.concat(chunks) })
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end()
    })
  })
  servers.push(server)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return { received, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}
const aSpan = (patch: Partial<SpanRecord> = {}): SpanRecord => ({
  name: 'task video.render',
  kind: 'consumer',
  parent,
  startedAt: 1_900_000_000_000,
  endedAt: 1_900_000_001_500,
  attributes: { 'tutti.job.id': 'job-77' },
  error: null,
  ...patch,
})

test('spans reach the collector under the trace they belong to, before stop has ended', async () => {
  const { received, endpoint } = await collector()
  const tracing = await startTracing({ endpoint, serviceName: 'orchestrator', instance: 'i-1' })
  const child = parseTraceparent(tracing.record(aSpan()))
  tracing.record(aSpan({ name: 'job transcode', error: 'it broke' }))
  await tracing.stop()
  expect(received.map(({ path }) => path)).toEqual(['/v1/traces'])
  const body = received[0]?.body ?? Buffer.alloc(0)
  for (const text of ['task video.render', 'job transcode', 'it broke', 'job-77', 'orchestrator', 'i-1'])
    expect(body.includes(text), text).toBe(true)
  expect(body.includes(Buffer.from(traceId, 'hex'))).toBe(true)
  expect(body.includes(Buffer.from(spanId, 'hex'))).toBe(true)
  expect(child).toMatchObject({ traceId, sampled: true })
  expect(child?.spanId).not.toBe(spanId)
})

test('a parent that is not sampled has nothing sent of what is below it', async () => {
  const { received, endpoint } = await collector()
  const tracing = await startTracing({ endpoint, serviceName: 'o', instance: 'i' })
  const below = tracing.record(aSpan({ parent: `00-${traceId}-${spanId}-00` }))
  await tracing.stop()
  expect(parseTraceparent(below)).toMatchObject({ traceId, sampled: false })
  expect(received).toEqual([])
})

test('without a parent a trace begins', async () => {
  const { endpoint } = await collector()
  const tracing = await startTracing({ endpoint, serviceName: 'o', instance: 'i' })
  expect(parseTraceparent(tracing.record(aSpan({ parent: null })))?.traceId).toMatch(/^[0-9a-f]{32}$/)
  await tracing.stop()
})

test('without a collector the trace of the caller is passed on as it came', () => {
  expect(noTracing.record(aSpan())).toBe(parent)
})

test.each([
  ['nothing', undefined],
  ['an empty header', ''],
  ['another form', 'x'],
  ['a trace id of zeros', `00-${'0'.repeat(32)}-${spanId}-01`],
  ['a span id of zeros', `00-${traceId}-${'0'.repeat(16)}-01`],
  ['upper case', `00-${traceId.toUpperCase()}-${spanId}-01`],
  ['version ff', `ff-${traceId}-${spanId}-01`],
  ['more than version 00 has', `${parent}-more`],
])('%s is no trace context', (_what, header) => expect(parseTraceparent(header)).toBeNull())

test('a later version is read as far as it is known, and written as ours', () => {
  const context = parseTraceparent(`01-${traceId}-${spanId}-01-more`)
  expect(context).toEqual({ traceId, spanId, sampled: true })
  expect(context && writeTraceparent(context)).toBe(parent)
})
