/** How workers of both generations make themselves known. */
import { expect, test } from 'vitest'
import { unique } from './support/fleet.ts'
import { openWire, serveThisFile } from './support/server.ts'

serveThisFile()

test('older: supported_tasks, resources and models are kept and shown', async () => {
  const { worker, client } = await openWire()
  const id = unique('older')
  const registration = {
    worker_id: id,
    worker_type: 'gpu_worker',
    supported_tasks: ['render', 'scale'],
    max_concurrent_tasks: 2,
    cost_per_skill: { render: 0.5 },
    installed_models: [{ name: 'stable', version: '1.5' }],
    hostname: 'attic',
    ip_address: '10.0.0.7',
    resources: { max_concurrent_tasks: 2, cpu_cores: 8, gpu_info: { model: 'T4', vram_gb: 16 } },
    multi_orchestrator_info: { mode: 'FAILOVER', orchestrators: [] },
  }
  const answer = await worker('POST', '/workers/register', registration)
  expect([answer.status, answer.body.status]).toEqual([200, 'registered'])
  const listed = (await client('GET', '/workers')).body.find((each: { worker_id: string }) => each.worker_id === id)
  expect(listed).toMatchObject(registration)
  expect(listed.status).toBe('idle')
})

test('newer: skills as objects, devices, artifacts, absent fields as null', async () => {
  const { worker, client } = await openWire()
  const id = unique('newer')
  const answer = await worker('POST', '/workers/register', {
    worker_id: id,
    worker_type: 'generic',
    supported_skills: [
      { name: 'render', type: 'image', version: '2', input_schema: null, output_statuses: ['success'] },
    ],
    available_skills: ['render'],
    hot_skills: null,
    resources: { devices: [{ type: 'gpu', model: 'T4', id: null }], properties: { cpu_cores: 8, ram_gb: 32 } },
    installed_software: { python: '3.12' },
    installed_artifacts: [{ name: 'stable', version: 'unknown' }],
    capabilities: {
      hostname: 'attic',
      cost_per_skill: { render: 0.5 },
      s3_config_hash: null,
      extra: { websockets: true },
    },
    skills_hash: 'abc',
    security: null,
    metadata: null,
    timestamp: Math.floor(Date.now() / 1000),
  })
  expect(answer.body).toMatchObject({ status: 'registered', version: expect.any(String), warning: null })
  const listed = (await client('GET', '/workers')).body.find((each: { worker_id: string }) => each.worker_id === id)
  expect(listed).toMatchObject({ installed_software: { python: '3.12' }, resources: { properties: { ram_gb: 32 } } })
})

test('in between: skills by name, and capabilities', async () => {
  const { worker } = await openWire()
  const answer = await worker('POST', '/workers/register', {
    worker_id: unique('between'),
    supported_skills: ['render'],
    resources: { max_concurrent_tasks: 1, cpu_cores: 2, gpu_info: null },
    installed_models: [{ name: 'stable' }],
    capabilities: { hostname: 'attic', ip_address: '10.0.0.7', cost_per_skill: {}, extra: {} },
  })
  expect(answer.status).toBe(200)
})

test('worker ids: missing 400, one that would not fit into an address 400', async () => {
  const { worker } = await openWire()
  const without = await worker('POST', '/workers/register', { supported_tasks: [] })
  expect([without.status, without.body.error]).toEqual([400, 'Missing required field: worker_id'])
  for (const id of ['with space', 'a/b', 'ä', 'a.b'])
    expect((await worker('POST', '/workers/register', { worker_id: id })).status, id).toBe(400)
  expect((await worker('POST', '/workers/register', '{')).body.error).toBe('Invalid JSON body')
})

test('tokens: one’s own, never the global one instead; the global one for all others', async () => {
  const { worker, own, globalToken } = await openWire()
  const register = async (id: string, token: string | undefined) => {
    const answer = await worker('POST', '/workers/register', { worker_id: id }, { 'x-worker-token': token ?? '' })
    return answer.status
  }
  expect(await register(own.id, own.token)).toBe(200)
  expect(await register(own.id, globalToken)).toBe(401)
  expect(await register(unique('other'), globalToken)).toBe(200)
  expect(await register(unique('other'), own.token)).toBe(401)
  expect(await register(unique('other'), 'guessed')).toBe(401)
  const { url } = await openWire()
  const bare = await fetch(`${url}/_worker/workers/register`, { method: 'POST', body: '{"worker_id":"w"}' })
  expect([bare.status, ((await bare.json()) as { error: string }).error]).toEqual([
    401,
    'Missing X-Worker-Token header',
  ])
})

test('a worker speaks for itself: the body may not name another one', async () => {
  const { worker, own } = await openWire()
  const headers = { 'x-worker-token': own.token, 'x-worker-id': own.id }
  const answer = await worker('POST', '/workers/register', { worker_id: unique('other') }, headers)
  expect(answer.status).toBe(403)
})
