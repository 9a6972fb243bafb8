import { expect, test } from 'vitest'
import { createShrink, globalWorkerToken, startServer, tokens } from './support/server.ts'

test('worker-tokens: one’s own, or the global one where there is no own', async () => {
  const server = await startServer()
  const register = (worker_id: string | undefined, token?: string) =>
    fetch(`${server.url}/_worker/workers/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(token === undefined ? {} : { 'x-worker-token': token }) },
      body: JSON.stringify({ worker_id, supported_skills: ['a'] }),
    }).then(async (response) => [response.status, ((await response.json()) as { error?: string }).error])

  expect(await register('hand-1', tokens.hand)).toEqual([200, undefined])
  expect(await register('hand-2', globalWorkerToken)).toEqual([200, undefined])
  expect(await register('hand-1')).toEqual([401, 'Missing X-Worker-Token header'])
  // Its own token is never replaced by the global one.
  expect(await register('hand-1', globalWorkerToken)).toEqual([401, 'Unauthorized: Invalid individual worker token'])
  expect(await register('hand-2', tokens.hand)).toEqual([401, 'Unauthorized: Invalid individual worker token'])
  expect(await register('hand-2', 'guessed')).toEqual([401, 'Unauthorized: No valid token found'])
  expect(await register(undefined, tokens.hand)).toEqual([401, 'Unauthorized: Invalid token or missing worker_id'])
  expect(await register(undefined, globalWorkerToken)).toEqual([400, 'Missing required field: worker_id'])

  for (const path of ['/workers/hand-1/tasks/next?timeout=0', '/ws/hand-1'])
    expect((await server.work('GET', path)).status, path).toBe(401)
  expect((await server.work('PATCH', '/workers/hand-1')).status).toBe(401)
})

test('registration in both generations’ words is listed', async () => {
  const server = await startServer()
  await server.work('POST', '/workers/register', {
    worker_id: 'older',
    worker_type: 'gpu',
    supported_tasks: ['a', 'b'],
    resources: { gpu_info: { model: 'T4', vram_gb: 16 } },
    installed_models: [{ name: 'm', version: '1' }],
    hostname: null,
    dynamic_token: 'secret',
  })
  await server.work('POST', '/workers/register', {
    worker_id: 'newer',
    supported_skills: [{ name: 'a', type: 'cpu', input_schema: {} }, 'c', 'c'],
    security: { signature: 'secret' },
  })
  const { body } = await server.call('GET', '/api/v1/workers')
  const byId = Object.fromEntries(body.map((worker: { worker_id: string }) => [worker.worker_id, worker]))
  expect(byId.older).toMatchObject({
    worker_type: 'gpu',
    status: 'idle',
    supported_skills: ['a', 'b'],
    resources: { gpu_info: { model: 'T4', vram_gb: 16 } },
  })
  expect(byId.newer).toMatchObject({ worker_type: 'generic', supported_skills: ['a', 'c'] })
  // What proves who is speaking is nobody else's business.
  expect(JSON.stringify(body)).not.toContain('secret')
})

test('a sign of life tells which tasks are lost', async () => {
  const server = await startServer()
  await server.worker('hand-2')
  await createShrink(server)
  const task = (await server.work('GET', '/workers/hand-2/tasks/next')).body
  const alive = await server.work('PATCH', '/workers/hand-2', {
    status: 'busy',
    load: 1,
    current_tasks: [task.task_id, 'x'],
  })
  expect(alive.body).toEqual({ status: 'ok', cancel_task_ids: ['x'] })
  await server.call('POST', `/api/v1/jobs/${task.job_id}/cancel`)
  const later = await server.work('PATCH', '/workers/hand-2', { current_tasks: [task.task_id] })
  expect(later.body.cancel_task_ids).toEqual([task.task_id])
  expect((await server.work('PATCH', '/workers/hand-2')).body).toEqual({ status: 'ttl_refreshed' })
  const [listed] = (await server.call('GET', '/api/v1/workers')).body
  expect(listed).toMatchObject({ worker_id: 'hand-2', status: 'busy', load: 1 })
  expect(listed).not.toHaveProperty('current_tasks')
})

test('an-empty-sign-of-life-keeps-all-tasks', async () => {
  const asked: unknown[][] = []
  const server = await startServer({
    engine: (engine) => ({
      ...engine,
      heartbeat: (...args) => {
        asked.push(args)
        return engine.heartbeat(...args)
      },
    }),
  })
  await server.worker('hand-2')
  await server.work('PATCH', '/workers/hand-2')
  // No list of tasks: all leases are renewed. An empty list would let them all run out.
  expect(asked).toEqual([['hand-2', {}]])
})

test('an unknown worker is told to register', async () => {
  const server = await startServer()
  for (const [method, path] of [
    ['PATCH', '/workers/nobody'],
    ['GET', '/workers/nobody/tasks/next'],
  ] as const) {
    const answer = await server.work(method, path)
    expect([answer.status, answer.body.code, answer.body.error]).toEqual([404, 'WORKER_NOT_FOUND', 'Worker not found'])
  }
})

test('polls answer with a task, with a list, or with nothing', async () => {
  const server = await startServer()
  await server.worker('hand-2')
  const next = (query: string) => server.work('GET', `/workers/hand-2/tasks/next${query}`)
  expect((await next('?timeout=0')).status).toBe(204)
  expect((await next('?timeout=0&max=5')).body).toEqual({ tasks: [] })
  for (let n = 0; n < 3; n++) await createShrink(server)
  expect((await next('')).body.type).toBe('picture.shrink')
  expect((await next('?max=5')).body.tasks).toHaveLength(2)
})

test('a worker that is about to leave gets no more tasks', async () => {
  const server = await startServer()
  await server.worker('hand-2')
  await server.work('PATCH', '/workers/hand-2', { status: 'draining' })
  await createShrink(server)
  expect((await server.work('GET', '/workers/hand-2/tasks/next?timeout=0')).status).toBe(204)
})

test('progress is seen by the job’s client', async () => {
  const server = await startServer()
  await server.worker('hand-2')
  const id = await createShrink(server)
  const { task_id } = (await server.work('GET', '/workers/hand-2/tasks/next')).body
  const event = { event: 'progress_update', worker_id: 'hand-2', job_id: id, task_id, progress: 0.5, message: 'half' }
  expect((await server.work('POST', '/events', event)).body).toEqual({ status: 'event_accepted' })
  const { body } = await server.call('GET', `/api/v1/jobs/${id}`)
  expect([body.progress, body.progress_message]).toEqual([0.5, 'half'])
  // Another worker's word about it counts for nothing.
  await server.worker('hand-3')
  await server.work('POST', '/events', { ...event, worker_id: 'hand-3', progress: 0.9 })
  expect((await server.call('GET', `/api/v1/jobs/${id}`)).body.progress).toBe(0.5)
  // Late progress is no error: the worker could do nothing about it.
  const late = await server.work('POST', '/events', { ...event, job_id: crypto.randomUUID() })
  expect(late.status).toBe(200)
})

test('a-head-request-takes-no-task', async () => {
  const server = await startServer()
  await server.worker('hand-2')
  const id = await createShrink(server)
  expect((await server.work('HEAD', '/workers/hand-2/tasks/next')).status).toBe(404)
  expect((await server.work('GET', '/workers/hand-2/tasks/next?timeout=0')).body.job_id).toBe(id)
  expect((await fetch(`${server.url}/_public/health`, { method: 'HEAD' })).status).toBe(200)
})
