import { expect, test } from 'vitest'
import { createShrink, startServer, tokens } from './support/server.ts'

const otto = { 'x-avtomatika-token': tokens.otto }

test('strangers-job-is-404: to another client a job is as good as unknown, whatever is asked', async () => {
  const server = await startServer()
  const id = await createShrink(server)
  const asked: [method: string, path: string, body?: unknown][] = [
    ['GET', `/api/v1/jobs/${id}`],
    ['GET', `/api/v1/jobs/${id}/history`],
    ['GET', `/api/v1/jobs/${id}/stream`],
    ['POST', `/api/v1/jobs/${id}/cancel`],
    ['POST', `/api/v1/jobs/${id}/approve`, { decision: 'yes' }],
    ['POST', `/_public/webhooks/approval/${id}`, { decision: 'yes' }],
  ]
  for (const [method, path, body] of asked) {
    const theirs = await server.call(method, path, body, otto)
    const unknown = await server.call(method, path.replace(id, crypto.randomUUID()), body, otto)
    const malformed = await server.call(method, path.replace(id, 'seven'), body, otto)
    expect(theirs.status, path).toBe(404)
    // Not even the wording tells the three apart.
    expect(theirs.body, path).toEqual(unknown.body)
    expect(theirs.body, path).toEqual(malformed.body)
  }
  expect((await server.call('GET', '/api/v1/jobs', undefined, otto)).body.items).toEqual([])
  expect((await server.call('GET', '/api/v1/jobs')).body.items).toHaveLength(1)
})

test('an operator’s token sees no more jobs than its own', async () => {
  const server = await startServer()
  const id = await createShrink(server)
  const olga = { 'x-client-token': tokens.olga, 'x-avtomatika-token': tokens.olga }
  expect((await server.call('GET', `/api/v1/jobs/${id}`, undefined, olga)).status).toBe(404)
})

test('an id that belongs to another client can’t be taken', async () => {
  const server = await startServer()
  const id = crypto.randomUUID()
  const job = { blueprint: 'nothing', id }
  expect((await server.call('POST', '/api/v1/jobs', job)).body.job_id).toBe(id)
  expect((await server.call('POST', '/api/v1/jobs', job)).body.job_id).toBe(id)
  expect((await server.call('POST', '/api/v1/jobs', job, otto)).status).toBe(400)
})

test('client-tokens: three headers, and the words of the older API when there is none', async () => {
  const server = await startServer()
  const get = async (headers: Record<string, string>) => {
    const response = await fetch(`${server.url}/api/jobs`, { headers })
    return [response.status, ((await response.json()) as { error?: string }).error]
  }
  for (const headers of [
    { 'X-Avtomatika-Token': tokens.anna },
    { 'X-Client-Token': tokens.anna },
    { Authorization: `Bearer ${tokens.anna}` },
  ])
    expect(await get(headers)).toEqual([200, undefined])
  expect(await get({})).toEqual([401, 'Missing X-Client-Token header'])
  expect(await get({ 'X-Client-Token': 'guessed' })).toEqual([401, 'Unauthorized: Invalid token'])
})
