/** Messages of workers with an HMAC over what they say. */
import { createHmac } from 'node:crypto'
import { canonicalJson } from '@tutti/contracts'
import type { Engine } from '@tutti/engine'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { createShrink, globalWorkerToken, startServer, type TestOptions, tokens, until } from './support/server.ts'

const seconds = () => Math.floor(Date.now() / 1000)

/** Signs as a worker does: over the text that is written here by hand. */
const signed = (canonical: string, message: object, secret = globalWorkerToken, more: object = {}) => ({
  ...message,
  security: { signature: createHmac('sha256', secret).update(canonical).digest('hex'), ...more },
})

const start = (mode: 'off' | 'optional' | 'required', options: TestOptions = {}) =>
  startServer({
    ...options,
    settings: { workerSignatures: mode, ...options.settings },
    parts: { secretOf: (id) => (id === 'hand-1' ? tokens.hand : globalWorkerToken), ...options.parts },
  })

/** Notes the events that came as far as the engine. */
const listening =
  (told: string[]) =>
  (engine: Engine): Engine => ({
    ...engine,
    workerEvent: (event) => {
      told.push(event.name)
      return engine.workerEvent(event)
    },
  })

test('the text that is signed: sorted, without blanks, without nulls, without the signature', () => {
  const message = {
    worker_id: 'w',
    ü: 1,
    z: [1, null, { b: 2.0, a: null }],
    a: { c: 'ä"\n', b: false, d: 0.25 },
    nothing: null,
    security: { signature: 'x' },
    bubbling_chain: ['w'],
  }
  expect(canonicalJson(message)).toBe('{"a":{"b":false,"c":"ä\\"\\n","d":0.25},"worker_id":"w","z":[1,{"b":2}],"ü":1}')
})

test('the order of keys changes no signature, and any other change does', () => {
  const shuffled = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(shuffled)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(
      Object.entries(value)
        .reverse()
        .map(([key, inner]) => [key, shuffled(inner)]),
    )
  }
  const message = fc.dictionary(fc.string(), fc.jsonValue()).map((value) => JSON.parse(JSON.stringify(value)))
  fc.assert(
    fc.property(message, (value) => {
      expect(canonicalJson(shuffled(value) as Record<string, unknown>)).toBe(canonicalJson(value))
      expect(canonicalJson({ ...value, 'one more': 1 })).not.toBe(canonicalJson(value))
    }),
  )
})

test('required: a registration with a right signature is taken, any other is not', async () => {
  const server = await start('required')
  const register = async (body: object) => {
    const answer = await server.work('POST', '/workers/register', body)
    return [answer.status, answer.body.path]
  }
  const at = seconds()
  const text = (worker: string, when: number) =>
    `{"supported_skills":["a"],"timestamp":${when},"worker_id":"${worker}"}`
  const message = { worker_id: 'hand-2', supported_skills: ['a'], timestamp: at, hostname: null }

  expect(await register(message)).toEqual([403, 'body.security.signature'])
  expect(await register(signed(text('hand-2', at), message, 'another secret'))).toEqual([
    403,
    'body.security.signature',
  ])
  expect(await register({ ...signed(text('hand-2', at), message), supported_skills: ['b'] })).toEqual([
    403,
    'body.security.signature',
  ])
  expect(await register({ ...signed(text('hand-2', at), message), metadata: { a: 1 } })).toEqual([
    403,
    'body.security.signature',
  ])
  expect(await register(signed(text('hand-2', at), message, globalWorkerToken, { signer_id: 'hand-3' }))).toEqual([
    403,
    'body.security.signer_id',
  ])
  for (const when of [at - 70, at + 70])
    expect(await register(signed(text('hand-2', when), { ...message, timestamp: when }))).toEqual([
      403,
      'body.timestamp',
    ])
  const unstamped = { worker_id: 'hand-2', supported_skills: ['a'] }
  expect(await register(signed('{"supported_skills":["a"],"worker_id":"hand-2"}', unstamped))).toEqual([
    403,
    'body.timestamp',
  ])
  expect(await register(signed(text('hand-2', at), message, globalWorkerToken, { signer_id: 'hand-2' }))).toEqual([
    200,
    undefined,
  ])
})

test('optional: unsigned is taken, a wrong signature is not; off: nobody looks', async () => {
  const wrong = { worker_id: 'hand-2', supported_skills: ['a'], timestamp: seconds(), security: { signature: '00' } }
  const optional = await start('optional')
  expect((await optional.work('POST', '/workers/register', wrong)).status).toBe(403)
  expect((await optional.work('POST', '/workers/register', { ...wrong, security: {} })).status).toBe(200)
  const off = await start('off')
  expect((await off.work('POST', '/workers/register', wrong)).status).toBe(200)
})

test('a worker signs with its own token, where it has one', async () => {
  const server = await start('required')
  const at = seconds()
  const text = `{"timestamp":${at},"worker_id":"hand-1"}`
  const register = async (secret: string) => {
    const own = { 'x-worker-token': tokens.hand }
    const body = signed(text, { worker_id: 'hand-1', timestamp: at }, secret)
    return (await server.work('POST', '/workers/register', body, own)).status
  }
  expect(await register(globalWorkerToken)).toBe(403)
  expect(await register(tokens.hand)).toBe(200)
})

test('required: a worker of whose token only the hash is known can’t prove anything', async () => {
  const server = await start('required', { parts: { secretOf: () => null } })
  const answer = await server.work('POST', '/workers/register', { worker_id: 'hand-2' })
  expect([answer.status, answer.body.path]).toEqual([403, 'body.security'])
})

test('replayed-message: an event counts once, a sign of life changes nothing, a result is told what became of it', async () => {
  const told: string[] = []
  const server = await start('required', {
    engine: listening(told),
  })
  const at = seconds()
  const registration = { worker_id: 'hand-2', supported_skills: ['picture.shrink'], timestamp: at }
  const registered = signed(
    `{"supported_skills":["picture.shrink"],"timestamp":${at},"worker_id":"hand-2"}`,
    registration,
  )
  expect((await server.work('POST', '/workers/register', registered)).status).toBe(200)
  expect((await server.work('POST', '/workers/register', registered)).body.error).toContain('been here before')

  const id = await createShrink(server)
  const { task_id } = (await server.work('GET', '/workers/hand-2/tasks/next')).body
  const event = { worker_id: 'hand-2', event_type: 'ready', target_job_id: id, target_task_id: task_id, timestamp: at }
  const text = `{"event_type":"ready","target_job_id":"${id}","target_task_id":"${task_id}","timestamp":${at},"worker_id":"hand-2"}`
  const statuses = [1, 2].map(async () => (await server.work('POST', '/events', signed(text, event))).status)
  expect((await Promise.all(statuses)).sort()).toEqual([200, 403])
  expect(told).toEqual(['ready'])

  const draining = signed(`{"status":"draining","timestamp":${at}}`, { status: 'draining', timestamp: at })
  expect((await server.work('PATCH', '/workers/hand-2', draining)).body.status).toBe('ok')
  await server.engine.heartbeat('hand-2', { status: 'idle' }, [])
  expect((await server.work('PATCH', '/workers/hand-2', draining)).body).toEqual({ status: 'ok' })
  expect((await server.engine.worker('hand-2'))?.info.status).toBe('idle')

  const result = { worker_id: 'hand-2', job_id: id, task_id, timestamp: at }
  const answer = signed(`{"job_id":"${id}","task_id":"${task_id}","timestamp":${at},"worker_id":"hand-2"}`, result)
  expect((await server.work('POST', '/tasks/result', answer)).body.status).toBe('accepted')
  expect((await server.work('POST', '/tasks/result', answer)).body.status).toBe('ignored')
})

test('failed-message-comes-again: what had no effect is no replay', async () => {
  let away = true
  const server = await start('required', {
    engine: (engine) => ({
      ...engine,
      register: (worker) => (away ? Promise.reject(new Error('away')) : engine.register(worker)),
    }),
  })
  const at = seconds()
  const message = signed(`{"timestamp":${at},"worker_id":"hand-2"}`, { worker_id: 'hand-2', timestamp: at })
  expect((await server.work('POST', '/workers/register', message)).status).toBe(500)
  away = false
  expect((await server.work('POST', '/workers/register', message)).status).toBe(200)
})

test('frames of the socket are held to the same', async () => {
  const told: string[] = []
  const server = await start('required', { engine: listening(told) })
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/_worker/ws/hand-2`, {
    headers: { 'x-worker-token': globalWorkerToken },
  })
  await new Promise((resolve) => socket.once('open', resolve))
  const at = seconds()
  const id = crypto.randomUUID()
  const event = (event_type: string) => ({ event_type, target_job_id: id, target_task_id: 't', timestamp: at })
  const text = `{"event_type":"second","target_job_id":"${id}","target_task_id":"t","timestamp":${at}}`
  socket.send(JSON.stringify(event('first')))
  socket.send(JSON.stringify(signed(text, event('second'))))
  socket.send(JSON.stringify(signed(text, event('second'))))
  const last = `{"event_type":"last","target_job_id":"${id}","target_task_id":"t","timestamp":${at}}`
  socket.send(JSON.stringify(signed(last, event('last'))))
  await until(async () => told.includes('last'))
  expect(told).toEqual(['second', 'last'])
  socket.close()
})
