/** Numbers, the fleet's skills, and what was set aside: each client's own. */
import { dashboard, jobView, skillCatalog } from '@tutti/contracts'
import { expect, test } from 'vitest'
import { createShrink, startServer, type TestServer, tokens } from './support/server.ts'

const otto = { 'x-avtomatika-token': tokens.otto }
const olga = { 'x-avtomatika-token': tokens.olga }

const quarantine = async (server: TestServer): Promise<string> => {
  const id = await createShrink(server)
  await server.worker('hand-2')
  const { body: task } = await server.work('GET', '/workers/hand-2/tasks/next?timeout=5')
  const error = { code: 'PERMANENT_ERROR', message: 'no' }
  await server.work('POST', '/tasks/result', { ...task, worker_id: 'hand-2', status: 'failure', error })
  return id
}

test('the dashboard counts one’s own jobs by their present status; an operator sees all', async () => {
  const server = await startServer()
  await quarantine(server)
  await createShrink(server)
  await server.call('POST', '/api/v1/jobs', { blueprint: 'nothing' })
  await server.call('POST', '/api/v1/jobs', { blueprint: 'nothing' }, otto)
  const of = async (who: Record<string, string> = {}) =>
    dashboard.parse((await server.call('GET', '/api/v1/dashboard', undefined, who)).body)
  expect(await of()).toEqual({
    workers: { total: 1 },
    jobs: { queued: 1, quarantined: 1, waiting_for_worker: 1, finished: 1 },
  })
  expect((await of(otto)).jobs).toMatchObject({ finished: 1 })
  expect((await of(otto)).jobs).not.toHaveProperty('quarantined')
  expect((await of(olga)).jobs).toMatchObject({ finished: 2, quarantined: 1 })
})

test('the catalogue tells who offers a skill, at what price, and what its contract is', async () => {
  const server = await startServer()
  const contract = { name: 'video.render', version: '1.2', input_schema: { type: 'object' } }
  await server.work('POST', '/workers/register', {
    worker_id: 'gpu-1',
    worker_type: 'gpu',
    supported_skills: [contract, 'video.probe'],
    capabilities: { cost_per_skill: { 'video.render': 0.5 } },
  })
  await server.work('POST', '/workers/register', {
    worker_id: 'gpu-2',
    worker_type: 'gpu',
    supported_skills: ['video.render'],
    capabilities: { cost_per_skill: { 'video.render': 0.25 } },
  })
  const { status, body } = await server.call('GET', '/api/v1/workers/catalog')
  expect(status).toBe(200)
  expect(skillCatalog.parse(body)).toMatchObject({
    'video.render': { providers_count: 2, worker_types: ['gpu'], base_price: 0.25, average_reputation: 1, contract },
    'video.probe': { providers_count: 1, base_price: null, contract: null },
  })
})

test('an operator drains a worker: it gets nothing until it may take tasks again, whatever it says of itself', async () => {
  const server = await startServer()
  await server.worker('w1')
  const operator = { 'x-avtomatika-token': tokens.olga }
  const drain = (body: unknown, headers = operator) => server.call('POST', '/api/v1/workers/w1/drain', body, headers)
  expect((await server.call('POST', '/api/v1/workers/w1/drain', {})).status).toBe(403)
  expect((await server.call('POST', '/api/v1/workers/w2/drain', {}, operator)).status).toBe(404)
  expect(await drain({})).toMatchObject({ status: 200, body: { worker_id: 'w1', drained: true, reputation: 1 } })
  await server.call('POST', '/api/v1/jobs', { blueprint: 'shrink', input: { url: 'https://example.org/a.png' } })
  await server.worker('w1')
  expect((await server.work('GET', '/workers/w1/tasks/next?timeout=0')).status).toBe(204)
  expect(await drain({ drained: false })).toMatchObject({ status: 200, body: { drained: false } })
  expect((await server.work('GET', '/workers/w1/tasks/next?timeout=5')).status).toBe(200)
})

test('an operator removes a worker, and what it held is handed out again', async () => {
  const server = await startServer()
  await server.worker('w1')
  const operator = { 'x-avtomatika-token': tokens.olga }
  await server.call('POST', '/api/v1/jobs', { blueprint: 'shrink', input: { url: 'https://example.org/a.png' } })
  const { body: task } = await server.work('GET', '/workers/w1/tasks/next?timeout=5')
  expect((await server.call('DELETE', '/api/v1/workers/w1')).status).toBe(403)
  expect((await server.call('DELETE', '/api/v1/workers/w1', undefined, operator)).status).toBe(204)
  expect((await server.call('DELETE', '/api/v1/workers/w1', undefined, operator)).status).toBe(404)
  expect((await server.work('GET', '/workers/w1/tasks/next?timeout=0')).status).toBe(404)
  await server.worker('w2')
  const { body: again } = await server.work('GET', '/workers/w2/tasks/next?timeout=20')
  expect(again).toMatchObject({ task_id: task.task_id, attempt: 2 })
})

test('quarantined jobs: one’s own, an operator everybody’s, nobody without a token', async () => {
  const server = await startServer()
  const id = await quarantine(server)
  const list = async (who: Record<string, string> = {}) =>
    jobView.array().parse((await server.call('GET', '/api/v1/jobs/quarantined', undefined, who)).body)
  expect(await list()).toMatchObject([{ id, status: 'quarantined', error: { code: 'PERMANENT_ERROR' } }])
  expect(await list(otto)).toEqual([])
  expect(await list(olga)).toHaveLength(1)
  expect((await fetch(`${server.url}/api/v1/jobs/quarantined`)).status).toBe(401)
  expect((await fetch(`${server.url}/_public/jobs/quarantined`)).status).toBe(404)
})

test('metrics: jobs are counted, the page is Prometheus’s, and a token can be asked for', async () => {
  const server = await startServer({ settings: { metricsToken: 'token-of-metrics' } })
  const page = (headers: Record<string, string>) => fetch(`${server.url}/_public/metrics`, { headers })
  expect((await page({})).status).toBe(401)
  expect((await page({ authorization: 'Bearer guessed' })).status).toBe(401)
  const answer = await page({ authorization: 'Bearer token-of-metrics' })
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, expect.stringContaining('text/plain')])
  expect(await answer.text()).toMatch(/^# TYPE /m)
})
