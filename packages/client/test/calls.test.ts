import { describe, expect, test } from 'vitest'
import { TuttiApiError } from '../src/index.ts'
import { createManualClock } from './support/manual-clock.ts'
import { aJob, aLine, clientOf, collect, jobId, testServer, until } from './support/setup.ts'

const refusal = {
  error: 'input.url must be an address',
  code: 'INVALID_BODY',
  retryable: false,
  hint: 'Correct the field named in `path` and send the request again.',
  path: 'body.input.url',
}

test('every call has its address, its token and its answer', async () => {
  const graph = { name: 'b', version: 1, start: 's', states: [], edges: [] }
  const answers: Record<string, unknown> = {
    'POST /api/v1/jobs': { status: 'accepted', job_id: jobId },
    'POST /api/v1/jobs/batch': { jobs: [{ status: 'accepted', job_id: jobId }] },
    [`GET /api/v1/jobs/${jobId}`]: aJob(),
    [`POST /api/v1/jobs/${jobId}/cancel`]: { status: 'cancellation_request_accepted', job_id: jobId },
    [`POST /api/v1/jobs/${jobId}/approve`]: { status: 'approval_received', job_id: jobId },
    'GET /api/v1/blueprints': [{ name: 'b', version: 1, endpoint: null, input_schema: null, states: ['s'] }],
    'GET /api/v1/blueprints/b/graph': graph,
    [`GET /api/v1/jobs/${jobId}/explain`]: { job_id: jobId, status: 'sleeping', because: 'It sleeps.', tasks: [] },
    'POST /api/v1/blueprints': { name: 'b', version: 1 },
    'GET /api/v1/blueprints/b/versions/1': { format: 'tutti/v1' },
    'GET /api/v1/workers': [
      {
        worker_id: 'w',
        worker_type: 'x',
        status: 'idle',
        supported_skills: [],
        drained: false,
        reputation: 1,
        registered_at: '',
        last_seen_at: '',
      },
    ],
  }
  const server = await testServer(({ method, path, json }) => json(200, answers[`${method} ${path}`]))
  const client = clientOf({ url: `${server.url}/` })
  expect(await client.jobs.create({ blueprint: 'b' })).toEqual({ status: 'accepted', job_id: jobId })
  expect(await client.jobs.createMany([{ blueprint: 'b' }])).toHaveLength(1)
  expect((await client.jobs.get(jobId)).status).toBe('finished')
  await client.jobs.cancel(jobId, 'no longer needed')
  await client.jobs.approve(jobId, { decision: 'approved', comment: 'fine' })
  expect(await client.blueprints.list()).toMatchObject([{ name: 'b' }])
  expect(await client.blueprints.graph('b')).toEqual(graph)
  expect((await client.jobs.explain(jobId)).because).toBe('It sleeps.')
  expect(await client.blueprints.register({ format: 'tutti/v1' } as never)).toEqual({ name: 'b', version: 1 })
  expect(await client.blueprints.document('b', 1)).toEqual({ format: 'tutti/v1' })
  expect(await client.workers.list()).toMatchObject([{ worker_id: 'w' }])
  expect(server.requests.every(({ headers }) => headers.authorization === 'Bearer a-token')).toBe(true)
  expect(server.requests.map(({ body }) => body).slice(3, 5)).toEqual([
    { reason: 'no longer needed' },
    { decision: 'approved', comment: 'fine' },
  ])
})

test('a list fetches its pages as they are needed', async () => {
  const page = (n: number) => ({
    items: [aJob({ seq: n }), aJob({ seq: n + 1 })],
    next_cursor: n < 4 ? `c${n + 2}` : null,
  })
  const server = await testServer(({ query, json }) => json(200, page(Number(query.get('cursor')?.slice(1) ?? 0))))
  const { jobs } = clientOf(server)
  for await (const job of jobs.list({ status: 'finished' })) if (job.seq === 1) break
  expect(server.requests).toHaveLength(1)
  expect(await collect(jobs.list({ blueprint: 'b', limit: 2 }))).toHaveLength(6)
  expect(server.requests.at(-1)?.query.toString()).toBe('blueprint=b&limit=2&cursor=c4')
})

test('a long history comes whole', async () => {
  const server = await testServer(({ query, json }) => {
    const since = Number(query.get('since'))
    const count = Math.min(Number(query.get('limit')), 2503 - since)
    json(
      200,
      Array.from({ length: count }, (_, index) => aLine(since + index + 1)),
    )
  })
  const lines = await clientOf(server).jobs.history(jobId, { since: 3 })
  expect(lines.map(({ seq }) => seq)).toEqual(Array.from({ length: 2500 }, (_, index) => index + 4))
})

describe('what goes wrong is told in full', () => {
  test('by the server', async () => {
    const server = await testServer(({ json }) => json(400, refusal))
    const error = await failure(clientOf(server).jobs.create({ blueprint: 'b' }))
    expect(error).toMatchObject({
      message: refusal.error,
      code: 'INVALID_BODY',
      status: 400,
      retryable: false,
      hint: refusal.hint,
      path: 'body.input.url',
      request: { method: 'POST', url: `${server.url}/api/v1/jobs` },
    })
    expect(server.requests).toHaveLength(1)
  })

  test('by something in front of it', async () => {
    const server = await testServer(({ response }) => response.writeHead(502).end('<html>bad gateway</html>'))
    const error = await failure(clientOf(server).jobs.get(jobId))
    expect(error).toMatchObject({ code: 'UNEXPECTED_ANSWER', status: 502, retryable: true })
    expect(error.message).toContain('bad gateway')
  })

  test('by nobody', async () => {
    const server = await testServer(() => {})
    await server.close()
    const error = await failure(clientOf(server).jobs.get(jobId))
    expect(error).toMatchObject({ code: 'NETWORK_ERROR', status: 0, retryable: true })
    expect(error.message).toContain('ECONNREFUSED')
  })

  test('an answer that is none', async () => {
    const server = await testServer(({ json }) => json(200, { hello: 'world' }))
    expect(await failure(clientOf(server).jobs.get(jobId))).toMatchObject({
      code: 'UNEXPECTED_ANSWER',
      retryable: false,
    })
    expect(server.requests).toHaveLength(1)
  })
})

test('create-whose-answer-was-lost-is-repeated-under-the-same-id', async () => {
  let tries = 0
  const server = await testServer(({ json, drop }) => {
    tries += 1
    if (tries < 3) drop()
    else json(202, { status: 'accepted', job_id: jobId })
  })
  await clientOf(server).jobs.create({ blueprint: 'b', input: { n: 1 } })
  const ids = server.requests.map(({ body }) => (body as { id: string }).id)
  expect(ids).toHaveLength(3)
  expect(new Set(ids).size).toBe(1)
  await clientOf(server).jobs.create({ blueprint: 'b', id: jobId })
  expect(server.requests.at(-1)?.body).toEqual({ blueprint: 'b', id: jobId })
})

test('batch-whose-answer-was-lost-is-repeated-under-the-same-ids', async () => {
  let tries = 0
  const server = await testServer(({ json, drop }) => {
    tries += 1
    if (tries < 2) drop()
    else json(202, { jobs: [] })
  })
  await clientOf(server).jobs.createMany([{ blueprint: 'b' }, { blueprint: 'b', id: jobId }])
  const [first, second] = server.requests.map(({ body }) => body)
  expect(first).toEqual(second)
  expect(first).toMatchObject({ jobs: [{ id: expect.any(String) }, { id: jobId }] })
})

test('decision-whose-answer-was-lost-is-not-repeated', async () => {
  const server = await testServer(({ drop }) => drop())
  expect(await failure(clientOf(server).jobs.approve(jobId, { decision: 'approved' }))).toMatchObject({ status: 0 })
  expect(server.requests).toHaveLength(1)
})

test('decision-that-was-throttled-is-repeated-after-the-time-asked-for', async () => {
  const clock = createManualClock()
  let tries = 0
  const server = await testServer(({ json }) => {
    tries += 1
    if (tries === 1) json(429, {}, { 'retry-after': '17' })
    else json(200, { status: 'approval_received', job_id: jobId })
  })
  const approving = clientOf(server, { clock }).jobs.approve(jobId, { decision: 'approved' })
  await until(() => clock.sleeping().includes(17_000))
  clock.advance(17_000)
  await approving
  expect(tries).toBe(2)
})

test('server-that-asks-to-wait-an-hour-does-not-hold-the-call', async () => {
  const server = await testServer(({ json }) => json(503, {}, { 'retry-after': '3600' }))
  expect(await failure(clientOf(server).jobs.get(jobId))).toMatchObject({ status: 503, retryAfterMs: 3_600_000 })
  expect(server.requests).toHaveLength(1)
})

test('retries-end', async () => {
  const server = await testServer(({ json }) => json(503, {}))
  expect(await failure(clientOf(server).jobs.get(jobId))).toMatchObject({ status: 503 })
  expect(server.requests).toHaveLength(4)
})

const failure = async (call: Promise<unknown>): Promise<TuttiApiError> => {
  const error = await call.then(
    () => undefined,
    (caught: unknown) => caught,
  )
  expect(error).toBeInstanceOf(TuttiApiError)
  return error as TuttiApiError
}
