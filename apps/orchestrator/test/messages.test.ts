/** One example of every message, checked against the contracts and written down: a change of a word on the wire shows here. */
import * as contracts from '@tutti/contracts'
import { expect, test } from 'vitest'
import type { z } from 'zod'
import { createShrink, startServer, type TestServer } from './support/server.ts'

const instant = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
const uuid = expect.stringMatching(/^[0-9a-f-]{36}$/)

/** The answer's body, which must also be what the contract says: nothing less, and nothing more. */
const golden = (schema: z.ZodType, answer: { status: number; body: unknown }, status: number, body: unknown): void => {
  expect(answer.status).toBe(status)
  expect(schema.parse(answer.body)).toEqual(answer.body)
  expect(answer.body).toEqual(body)
}

const job = (server: TestServer, id: string) => server.call('GET', `/api/v1/jobs/${id}`)

test('client messages', async () => {
  const server = await startServer()
  await server.worker('hand-2')
  const created = await server.call('POST', '/api/v1/jobs', {
    blueprint: 'shrink',
    input: { url: 'https://example.org/a.png' },
    priority: 7,
    tags: ['night'],
    metadata: { order: 12 },
    deadline_seconds: 3600,
  })
  golden(contracts.jobAccepted, created, 202, { status: 'accepted', job_id: uuid })
  const id = created.body.job_id

  const view = {
    id,
    blueprint: 'shrink',
    version: 3,
    status: 'waiting_for_worker',
    current_state: 'begin',
    input: { url: 'https://example.org/a.png', sizes: [64] },
    data: {},
    result: null,
    error: null,
    waiting_for: { kind: 'task', task_id: expect.any(String), skill: 'picture.shrink', attempt: 1 },
    progress: null,
    progress_message: null,
    priority: 7,
    tags: ['night'],
    metadata: { order: 12 },
    origin: { kind: 'api' },
    parent_job_id: null,
    compensating: false,
    seq: 2,
    created_at: instant,
    start_at: null,
    updated_at: instant,
    finished_at: null,
    deadline_at: instant,
  }
  golden(contracts.jobPage, await server.call('GET', '/api/v1/jobs'), 200, { items: [view], next_cursor: null })
  // One job is told under the names of older clients as well.
  expect((await job(server, id)).body).toEqual({
    ...view,
    job_id: id,
    blueprint_name: 'shrink',
    initial_data: view.input,
    state_history: {},
    child_job_id: null,
    current_task_id: expect.any(String),
    error_message: null,
    retry_count: 0,
    webhook_url: null,
  })
  golden(contracts.jobEvent.array(), await server.call('GET', `/api/v1/jobs/${id}/history?since=1`), 200, [
    {
      event_id: `${id}:2`,
      job_id: id,
      seq: 2,
      timestamp: instant,
      event_type: 'task_queued',
      state: 'begin',
      data: { task_id: expect.any(String), skill: 'picture.shrink' },
    },
  ])
  golden(contracts.cancelAccepted, await server.call('POST', `/api/v1/jobs/${id}/cancel`, { reason: 'enough' }), 200, {
    status: 'cancellation_request_accepted',
    job_id: id,
  })
  golden(contracts.errorBody, await server.call('POST', `/api/v1/jobs/${id}/cancel`), 409, {
    error: expect.any(String),
    code: 'JOB_TERMINAL',
    retryable: false,
    hint: expect.any(String),
  })
  expect((await job(server, id)).body).toMatchObject({
    status: 'cancelled',
    error: { code: 'CANCELLED', message: 'enough' },
    waiting_for: null,
    finished_at: instant,
  })

  const batch = { jobs: [{ blueprint: 'nothing' }, { blueprint: 'sweep', input: {} }] }
  const accepted = await server.call('POST', '/api/v1/jobs/batch', batch)
  golden(contracts.jobsAccepted, accepted, 202, {
    jobs: [
      { status: 'accepted', job_id: uuid },
      { status: 'accepted', job_id: uuid },
    ],
  })
  expect((await job(server, accepted.body.jobs[0].job_id)).body).toMatchObject({
    status: 'finished',
    result: { ok: true },
  })
  expect((await job(server, accepted.body.jobs[1].job_id)).body.waiting_for).toEqual({
    kind: 'parallel',
    into: 'done',
    total: 2,
    done: 0,
    failed: 0,
  })

  const page = await server.call('GET', '/api/v1/jobs?limit=1&status=finished&blueprint=nothing')
  golden(contracts.jobPage, page, 200, {
    items: [expect.objectContaining({ blueprint: 'nothing' })],
    next_cursor: null,
  })
  const first = await server.call('GET', '/api/v1/jobs?limit=2')
  const second = await server.call('GET', `/api/v1/jobs?limit=2&cursor=${first.body.next_cursor}`)
  expect([...first.body.items, ...second.body.items].map((each) => each.blueprint).sort()).toEqual([
    'nothing',
    'shrink',
    'sweep',
  ])
  expect((await server.call('GET', '/api/v1/jobs?tag=night')).body.items).toHaveLength(1)
})

test('approval messages, at the new address and the older one', async () => {
  const server = await startServer()
  for (const path of ['/api/v1/jobs/ID/approve', '/_public/webhooks/approval/ID']) {
    const { job_id: id } = (await server.call('POST', '/api/v1/publish', {})).body
    expect((await job(server, id)).body).toMatchObject({
      status: 'waiting_for_human',
      waiting_for: { kind: 'approval', message: 'Shall it go out?', decisions: ['yes', 'no'], expires_at: instant },
    })
    const decide = (decision: unknown) => server.call('POST', path.replace('ID', id), { decision, comment: 'fine' })
    for (const wrong of ['perhaps', 'timeout'])
      expect((await decide(wrong)).body).toMatchObject({ code: 'INVALID_DECISION', path: 'body.decision' })
    expect((await decide(undefined)).body).toMatchObject({ code: 'INVALID_BODY', path: 'body.decision' })
    golden(contracts.approvalReceived, await decide('yes'), 200, { status: 'approval_received', job_id: id })
    expect((await job(server, id)).body.result).toEqual({ decision: 'yes', by: 'anna', comment: 'fine' })
    expect((await decide('yes')).body.code).toBe('JOB_TERMINAL')
  }
  const shrinking = await createShrink(server)
  const early = await server.call('POST', `/api/v1/jobs/${shrinking}/approve`, { decision: 'yes' })
  expect([early.status, early.body.code, early.body.error]).toEqual([
    409,
    'JOB_NOT_WAITING',
    'Job is not in a state that can be approved',
  ])
})

test('blueprint messages', async () => {
  const server = await startServer()
  const list = await server.call('GET', '/api/v1/blueprints')
  expect(contracts.blueprintView.array().parse(list.body)).toEqual(list.body)
  expect(list.body.find((each: { name: string }) => each.name === 'publish')).toEqual({
    name: 'publish',
    version: 1,
    endpoint: '/publish',
    input_schema: null,
    states: ['ask', 'out', 'kept'],
  })
  const shrink = list.body.find((each: { name: string }) => each.name === 'shrink')
  expect(shrink.input_schema.required).toEqual(['url'])

  const dot = await server.call('GET', '/api/v1/blueprints/publish/graph', undefined, { accept: '*/*' })
  expect(dot.headers.get('content-type')).toBe('text/vnd.graphviz; charset=utf-8')
  expect(dot.body).toContain('"ask" -> "out";')
  const graph = {
    name: 'publish',
    version: 1,
    start: 'ask',
    states: [
      { name: 'ask', kind: 'start', outcome: null, undo: null },
      { name: 'out', kind: 'end', outcome: 'finished', undo: null },
      { name: 'kept', kind: 'end', outcome: 'finished', undo: null },
    ],
    edges: [
      { from: 'ask', to: 'out', condition: null },
      { from: 'ask', to: 'kept', condition: null },
    ],
  }
  golden(contracts.blueprintGraph, await server.call('GET', '/api/v1/blueprints/publish/graph?format=json'), 200, graph)
  const accept = { accept: 'application/json' }
  golden(
    contracts.blueprintGraph,
    await server.call('GET', '/api/blueprints/publish/graph', undefined, accept),
    200,
    graph,
  )
})

test('a blueprint’s endpoint takes both forms', async () => {
  const server = await startServer()
  const url = 'https://example.org/a.png'
  const forms: [body: object, sizes: number[]][] = [
    [{ initial_data: { url, sizes: [1] }, priority: 3 }, [1]],
    [{ url, sizes: [2] }, [2]],
    [{ initial_data: { url }, webhook_url: 'https://example.org/hook' }, [64]],
  ]
  for (const [body, sizes] of forms) {
    const created = await server.call('POST', '/api/v1/pictures/shrink', body)
    golden(contracts.jobAccepted, created, 202, { status: 'accepted', job_id: uuid })
    expect((await job(server, created.body.job_id)).body.input).toEqual({ url, sizes })
  }
})

test('worker messages', async () => {
  const server = await startServer()
  const registration = await server.work('POST', '/workers/register', {
    worker_id: 'hand-2',
    worker_type: 'cpu',
    supported_skills: ['picture.shrink'],
    hostname: 'attic',
  })
  golden(contracts.registered, registration, 200, {
    status: 'registered',
    version: '1.0',
    warning: null,
    heartbeat_seconds: 40,
  })
  const idle = await server.work('POST', '/workers/register', { worker_id: 'hand-3' })
  expect(idle.body.warning).toEqual(expect.any(String))

  const id = await createShrink(server)
  const polled = await server.work('GET', '/workers/hand-2/tasks/next')
  golden(contracts.taskPayload, polled, 200, {
    job_id: id,
    task_id: expect.any(String),
    type: 'picture.shrink',
    params: { url: 'https://example.org/a.png', sizes: [64] },
    priority: 0,
    attempt: 1,
    lease_token: expect.any(String),
    lease_seconds: 120,
    deadline: expect.any(Number),
    tracing_context: {},
    timestamp: expect.any(Number),
  })
  golden(
    contracts.heartbeatAnswer,
    await server.work('PATCH', '/workers/hand-2', { status: 'busy', current_tasks: [] }),
    200,
    {
      status: 'ok',
      cancel_task_ids: [],
    },
  )
  golden(contracts.workerView.array(), await server.call('GET', '/api/v1/workers'), 200, [
    {
      worker_id: 'hand-2',
      worker_type: 'cpu',
      status: 'busy',
      hostname: 'attic',
      supported_skills: ['picture.shrink'],
      drained: false,
      reputation: 1,
      registered_at: instant,
      last_seen_at: instant,
    },
    expect.objectContaining({ worker_id: 'hand-3', worker_type: 'generic', supported_skills: [] }),
  ])
  const { task_id, lease_token, attempt } = polled.body
  const result = {
    job_id: id,
    task_id,
    lease_token,
    attempt,
    duration_ms: 12,
    result: { status: 'success', data: { bytes: 5 } },
  }
  const batch = await server.work('POST', '/tasks/results', { worker_id: 'hand-2', results: [result], next: 1 })
  golden(contracts.resultBatchAnswer, batch, 200, { results: [{ status: 'accepted' }], tasks: [] })
  const again = await server.work('POST', '/tasks/result', { ...result, worker_id: 'hand-2' })
  golden(contracts.resultAnswer, again, 200, {
    status: 'ignored',
    reason: 'job_already_terminated',
    message: 'The job has ended',
  })
  expect((await job(server, id)).body).toMatchObject({ status: 'finished', result: { bytes: 5 }, data: { bytes: 5 } })
})

test('public messages', async () => {
  const server = await startServer()
  const open = async (path: string) => {
    const response = await fetch(server.url + path)
    return [response.status, await response.json()]
  }
  expect(await open('/_public/status')).toEqual([200, { status: 'ok' }])
  expect(await open('/_public/health')).toEqual([200, { status: 'ok', store: 'ok' }])
})

test('health tells that the store is away, and not why', async () => {
  const server = await startServer({
    engine: (engine) => ({ ...engine, worker: () => Promise.reject(new Error('connect db.internal:5432')) }),
  })
  const answer = await server.call('GET', '/_public/health')
  expect([answer.status, answer.body.code]).toEqual([503, 'STORE_UNAVAILABLE'])
  expect(JSON.stringify(answer.body)).not.toContain('db.internal')
})

test('instants are written in the zone that was asked for', async () => {
  const server = await startServer({ settings: { timeZone: 'Europe/Moscow' } })
  const id = await createShrink(server)
  const { body } = await server.call('GET', `/api/v1/jobs/${id}/history`)
  expect(contracts.jobEvent.parse(body[0]).timestamp).toMatch(/\+03:00$/)
  const { createdAt } = await server.engine.job(id, null)
  expect(Date.parse(body[0].timestamp)).toBe(createdAt)
})
