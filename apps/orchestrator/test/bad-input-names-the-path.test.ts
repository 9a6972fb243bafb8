import { errorBody } from '@tutti/contracts'
import { expect, test } from 'vitest'
import { globalWorkerToken, startServer } from './support/server.ts'

const url = 'https://example.org/a.png'

test('bad-input-names-the-path: of the request, and of the blueprint’s own input', async () => {
  const server = await startServer()
  const cases: [method: string, path: string, body: unknown, code: string, fault: string | undefined][] = [
    ['POST', '/api/v1/jobs', {}, 'INVALID_BODY', 'body.blueprint'],
    ['POST', '/api/v1/jobs', undefined, 'INVALID_BODY', 'body'],
    ['POST', '/api/v1/jobs', '', 'INVALID_BODY', 'body'],
    ['POST', '/api/v1/jobs', [], 'INVALID_BODY', 'body'],
    ['POST', '/api/v1/jobs', '{"blueprint":', 'INVALID_BODY', 'body'],
    ['POST', '/api/v1/jobs', '{"blueprint":"shrink","__proto__":{"a":1}}', 'INVALID_BODY', 'body'],
    ['POST', '/api/v1/jobs', { blueprint: 'shrink', input: { url: 'no' } }, 'INVALID_BODY', 'body.input.url'],
    [
      'POST',
      '/api/v1/jobs',
      { blueprint: 'shrink', input: { url, sizes: [1, 0] } },
      'INVALID_BODY',
      'body.input.sizes.1',
    ],
    ['POST', '/api/v1/jobs', { blueprint: 'shrink', tags: ['a', ''] }, 'INVALID_BODY', 'body.tags.1'],
    ['POST', '/api/v1/jobs', { blueprint: 'nobody' }, 'BLUEPRINT_NOT_FOUND', 'body.blueprint'],
    [
      'POST',
      '/api/v1/jobs',
      `{"blueprint":"nothing","input":{"a":${'['.repeat(3000)}${']'.repeat(3000)}}}`,
      'INVALID_BODY',
      'body',
    ],
    ['POST', '/api/v1/jobs/batch', { jobs: [] }, 'INVALID_BODY', 'body.jobs'],
    ['POST', '/api/v1/jobs/batch', { jobs: [{ blueprint: 'shrink' }] }, 'INVALID_BODY', 'body.jobs.0.input.url'],
    [
      'POST',
      '/api/v1/jobs/batch',
      { jobs: [{ blueprint: 'nothing' }, { blueprint: 'shrink', input: { url: 1 } }] },
      'INVALID_BODY',
      'body.jobs.1.input.url',
    ],
    [
      'POST',
      '/api/v1/jobs/batch',
      { jobs: Array.from({ length: 1001 }, () => ({ blueprint: 'nothing' })) },
      'INVALID_BODY',
      'body.jobs',
    ],
    ['POST', '/api/v1/pictures/shrink', { initial_data: { url: 'no' } }, 'INVALID_BODY', 'body.initial_data.url'],
    ['POST', '/api/v1/pictures/shrink', { url: 'no' }, 'INVALID_BODY', 'body.url'],
    ['POST', '/api/v1/pictures/shrink', {}, 'INVALID_BODY', 'body.initial_data.url'],
    ['POST', '/api/v1/pictures/shrink', [1], 'INVALID_BODY', 'body'],
    ['GET', '/api/v1/jobs?limit=0', undefined, 'INVALID_QUERY', 'query.limit'],
    ['GET', '/api/v1/jobs?limit=many', undefined, 'INVALID_QUERY', 'query.limit'],
    ['GET', '/api/v1/jobs?status=lost', undefined, 'INVALID_QUERY', 'query.status.0'],
    ['GET', '/api/v1/jobs?cursor=guessed', undefined, 'INVALID_QUERY', 'query.cursor'],
    ['GET', '/api/v1/nothing-here', undefined, 'NOT_FOUND', undefined],
    ['GET', '/api/v1/%E0%A4%A', undefined, 'NOT_FOUND', undefined],
    ['GET', '/api/v1/blueprints/nobody/graph', undefined, 'BLUEPRINT_NOT_FOUND', undefined],
    ['GET', '/api/v1/blueprints/shrink/graph?version=9', undefined, 'BLUEPRINT_NOT_FOUND', undefined],
  ]
  for (const [method, path, body, code, fault] of cases) {
    const answer = await server.call(method, path, body)
    const place = `${method} ${path} ${JSON.stringify(body)?.slice(0, 80)}`
    const parsed = errorBody.parse(answer.body)
    expect([parsed.code, parsed.path], place).toEqual([code, fault])
    expect(answer.headers.get('content-type'), place).toContain('application/json')
  }
})

test('a worker’s bad input names the path as well', async () => {
  const server = await startServer()
  const cases: [method: string, path: string, body: unknown, fault: string][] = [
    ['POST', '/workers/register', {}, 'body.worker_id'],
    ['POST', '/workers/register', { worker_id: 'no spaces' }, 'body.worker_id'],
    ['PATCH', '/workers/hand-2', { current_tasks: 'all' }, 'body.current_tasks'],
    ['PATCH', '/workers/no%20spaces', {}, 'path.worker_id'],
    ['GET', '/workers/hand-2/tasks/next?max=1001', undefined, 'query.max'],
    ['POST', '/tasks/result', { worker_id: 'hand-2', task_id: 't' }, 'body.job_id'],
    ['POST', '/tasks/results', { worker_id: 'hand-2', results: [] }, 'body.results'],
    ['POST', '/events', { worker_id: 'hand-2', event: 'progress_update' }, 'body.task_id'],
  ]
  for (const [method, path, body, fault] of cases) {
    const answer = await server.work(method, path, body)
    expect([answer.status, answer.body.path], `${method} ${path}`).toEqual([400, fault])
  }
})

test('missing fields are told by name', async () => {
  const server = await startServer()
  const answer = await server.work('POST', '/workers/register', { worker_type: 'x' })
  expect(answer.body.error).toBe('Missing required field: worker_id')
  expect((await server.call('POST', '/api/v1/jobs', '{oops')).body.error).toBe('Invalid JSON body')
})

test('a body over the limit is refused with 413', async () => {
  const server = await startServer({ settings: { bodyLimitBytes: 1000 } })
  const answer = await server.call('POST', '/api/v1/jobs', { blueprint: 'nothing', input: { text: 'x'.repeat(1000) } })
  expect([answer.status, answer.body.code]).toEqual([413, 'PAYLOAD_TOO_LARGE'])
})

test('a fault of the server says nothing of what went wrong inside', async () => {
  const server = await startServer({
    engine: (engine) => ({ ...engine, jobs: () => Promise.reject(new Error('password of db is hunter2')) }),
  })
  const answer = await server.call('GET', '/api/v1/jobs', undefined, { 'x-request-id': 'trail-7' })
  expect([answer.status, answer.body.code]).toEqual([500, 'INTERNAL'])
  expect(JSON.stringify(answer.body)).not.toContain('hunter2')
  expect(answer.headers.get('x-request-id')).toBe('trail-7')
  expect(answer.body.error).toContain('trail-7')
})

test('any content type is read as JSON', async () => {
  const server = await startServer()
  const type = { 'content-type': 'application/x-www-form-urlencoded' }
  expect((await server.call('POST', '/api/v1/jobs', '{"blueprint":"nothing"}', type)).status).toBe(202)
  const ping = await fetch(`${server.url}/_worker/workers/hand-9`, {
    method: 'PATCH',
    headers: { 'x-worker-token': globalWorkerToken, 'content-type': 'application/octet-stream' },
    body: '',
  })
  expect(ping.status).toBe(404)
})
