/** Answers that are made smaller, and those that must not be. Raw sockets: fetch would undo what is to be seen. */
import { type IncomingHttpHeaders, request } from 'node:http'
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { startServer, type TestServer, tokens } from './support/server.ts'

interface Raw {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
}

const get = (server: TestServer, path: string, encoding: string | undefined, method = 'GET'): Promise<Raw> =>
  new Promise((resolve, reject) => {
    const headers = {
      'x-client-token': tokens.anna,
      ...(encoding === undefined ? {} : { 'accept-encoding': encoding }),
    }
    request(`${server.url}${path}`, { method, headers }, async (response) => {
      const chunks: Buffer[] = []
      for await (const chunk of response) chunks.push(chunk)
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) })
    })
      .on('error', reject)
      .end()
  })

const undo: Record<string, (body: Buffer) => Buffer> = {
  zstd: zstdDecompressSync,
  br: brotliDecompressSync,
  gzip: gunzipSync,
}

test.each([
  ['zstd, br, gzip', 'zstd'],
  ['gzip, br', 'br'],
  ['gzip', 'gzip'],
  ['gzip;q=1.0, zstd;q=0.5', 'gzip'],
  ['zstd;q=0, gzip', 'gzip'],
  ['*', 'gzip'],
])('Accept-Encoding: %s → %s, the same text, and headers kept', async (accepted, expected) => {
  const server = await startServer()
  const plain = await get(server, '/api/v1/blueprints', undefined)
  const answer = await get(server, '/api/v1/blueprints', accepted)
  expect([answer.status, answer.headers['content-encoding']]).toEqual([200, expected])
  expect(answer.headers.vary?.toLowerCase()).toContain('accept-encoding')
  expect(answer.headers['content-type']).toBe(plain.headers['content-type'])
  expect(answer.headers['x-request-id']).toEqual(expect.any(String))
  expect(undo[expected]?.(answer.body).toString()).toBe(plain.body.toString())
  expect(answer.body.length).toBeLessThan(plain.body.length)
})

test.each([undefined, 'identity', 'gzip;q=0', 'something-else'])('Accept-Encoding: %s → as it is', async (accepted) => {
  const server = await startServer()
  const answer = await get(server, '/api/v1/blueprints', accepted)
  expect([answer.status, answer.headers['content-encoding']]).toEqual([200, undefined])
  expect(JSON.parse(answer.body.toString())).toHaveLength(4)
})

test('less than 500 bytes go as they are, and headers of refusals are kept', async () => {
  const server = await startServer({ settings: { clientRate: { count: 1, perMs: 60_000 } } })
  const small = await get(server, '/api/v1/quota', 'gzip')
  expect([small.body.length < 500, small.headers['content-encoding']]).toEqual([true, undefined])
  const refused = await get(server, '/api/v1/blueprints', 'gzip')
  expect([refused.status, refused.headers['retry-after']]).toEqual([429, '60'])
})

test('streams of events are left alone: a compressor would hold their lines back', async () => {
  const server = await startServer()
  const { body } = await server.call('POST', '/api/v1/jobs', { blueprint: 'nothing', tags: ['x'.repeat(60)] })
  const stream = await get(server, `/api/v1/jobs/${body.job_id}/stream`, 'gzip, br, zstd')
  expect([stream.headers['content-encoding'], stream.headers['content-type']]).toEqual([
    undefined,
    'text/event-stream; charset=utf-8',
  ])
  expect(stream.body.toString()).toContain('event: job_finished')
})

test('answers without a body stay without one', async () => {
  const server = await startServer()
  const { body } = await server.call('POST', '/api/v1/jobs', { blueprint: 'nothing' })
  const over = await get(server, `/api/v1/jobs/${body.job_id}/stream?since=3`, 'gzip')
  expect([over.status, over.body.length, over.headers['content-encoding']]).toEqual([204, 0, undefined])
  const head = await get(server, '/_public/status', 'gzip', 'HEAD')
  expect([head.status, head.body.length]).toEqual([200, 0])
  const gone = await get(server, `/api/v1/jobs/${body.job_id}`, 'gzip', 'DELETE')
  expect([gone.status, gone.body.length]).toEqual([204, 0])
})
