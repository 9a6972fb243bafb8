/** What a client may do to a job that is there. */
import { blueprint, createEngine } from '@tutti/engine'
import { createPostgresStore } from '@tutti/stores'
import { testDatabase } from '@tutti/stores/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { startServer, type TestServer, tokens, until } from './support/server.ts'

const otto = { 'x-avtomatika-token': tokens.otto }

/** Two tasks, one after the other. */
const two = blueprint({ name: 'two' })
  .state('first', { start: true, to: ['second', 'broken'] }, ({ dispatch, input }) =>
    dispatch('step.one', { n: input.n ?? 0 }, { on: { success: 'second', failure: 'broken' }, retry: { attempts: 1 } }),
  )
  .state('second', { to: ['done', 'broken'] }, ({ dispatch, data }) =>
    dispatch(
      'step.two',
      { from: data.one ?? null },
      { on: { success: 'done', failure: 'broken' }, retry: { attempts: 1 } },
    ),
  )
  .end('done', ({ data }) => data)
  .end('broken', { outcome: 'failed' })

const paid = blueprint({ name: 'paid', events: { paid: z.object({ amount: z.number() }) } })
  .state('prepare', { start: true, to: ['wait'] }, ({ dispatch }) =>
    dispatch('step.one', {}, { on: { success: 'wait' } }),
  )
  .state('wait', { to: ['again'] }, ({ waitForEvent }) => waitForEvent({ name: 'paid', on: 'again' }))
  .state('again', { to: ['done'] }, ({ waitForEvent }) => waitForEvent({ name: 'paid', on: 'done' }))
  .end('done', ({ last }) => last?.data ?? null)

const start = async (server: TestServer, body: object): Promise<string> => {
  const answer = await server.call('POST', '/api/v1/jobs', body)
  expect(answer.status, JSON.stringify(answer.body)).toBe(202)
  return answer.body.job_id
}
const read = async (server: TestServer, id: string) => (await server.call('GET', `/api/v1/jobs/${id}`)).body
const types = async (server: TestServer, id: string): Promise<string[]> =>
  (await server.call('GET', `/api/v1/jobs/${id}/history`)).body.map((line: { event_type: string }) => line.event_type)

const workOne = async (server: TestServer, data: object, status = 'success'): Promise<void> => {
  await server.worker('hand-2', ['step.one', 'step.two'])
  const { status: got, body: task } = await server.work('GET', '/workers/hand-2/tasks/next?timeout=5')
  expect(got).toBe(200)
  const error = status === 'failure' ? { error: { code: 'PERMANENT_ERROR', message: 'no' } } : {}
  const answer = await server.work('POST', '/tasks/result', {
    job_id: task.job_id,
    task_id: task.task_id,
    worker_id: 'hand-2',
    status,
    data,
    ...error,
  })
  expect(answer.status).toBe(200)
}

const withTwo = () => startServer({ blueprints: [two, paid] })

describe('pause and resume', () => {
  test('what is under way is recorded, no further step is taken, and it goes on where it was', async () => {
    const server = await withTwo()
    const id = await start(server, { blueprint: 'two' })
    const paused = await server.call('PATCH', `/api/v1/jobs/${id}`, { paused: true })
    expect([paused.status, paused.body.status, paused.body.waiting_for.kind]).toEqual([200, 'paused', 'task'])
    await server.call('PATCH', `/api/v1/jobs/${id}`, { paused: true })
    await workOne(server, { one: 1 })
    const held = await read(server, id)
    expect(held).toMatchObject({ status: 'paused', current_state: 'second', data: { one: 1 } })
    expect((await server.work('GET', '/workers/hand-2/tasks/next?timeout=0')).status).toBe(204)
    const resumed = await server.call('PATCH', `/api/v1/jobs/${id}`, { paused: false })
    expect(resumed.status).toBe(200)
    await workOne(server, { two: 2 })
    expect(await read(server, id)).toMatchObject({ status: 'finished', result: { one: 1, two: 2 } })
    const log = await types(server, id)
    expect(log.filter((type) => type === 'job_paused')).toHaveLength(1)
    expect(log.filter((type) => type === 'job_resumed')).toHaveLength(1)
  })

  test('a paused job can be cancelled; one that has ended can’t be paused', async () => {
    const server = await withTwo()
    const id = await start(server, { blueprint: 'two' })
    await server.call('PATCH', `/api/v1/jobs/${id}`, { paused: true })
    expect((await server.call('POST', `/api/v1/jobs/${id}/cancel`)).status).toBe(200)
    const late = await server.call('PATCH', `/api/v1/jobs/${id}`, { paused: true })
    expect([late.status, late.body.code]).toEqual([409, 'JOB_TERMINAL'])
  })

  test('priority, tags and metadata change without the job’s course; other fields are refused by name', async () => {
    const server = await withTwo()
    const id = await start(server, { blueprint: 'two', tags: ['a'], metadata: { x: 1 } })
    const changed = await server.call('PATCH', `/api/v1/jobs/${id}`, { priority: 9, tags: ['b'], metadata: { y: 2 } })
    expect(changed.body).toMatchObject({ priority: 9, tags: ['b'], metadata: { y: 2 }, status: 'waiting_for_worker' })
    expect((await server.call('GET', '/api/v1/jobs?tag=a')).body.items).toEqual([])
    expect((await server.call('GET', '/api/v1/jobs?metadata=y%3D2')).body.items).toHaveLength(1)
    const refused = await server.call('PATCH', `/api/v1/jobs/${id}`, { input: {} })
    expect([refused.status, refused.body.error]).toEqual([400, expect.stringContaining('input')])
  })
})

describe('fork and retry', () => {
  test('a failed job is tried again from the state in which it failed, with what it had by then', async () => {
    const server = await withTwo()
    const id = await start(server, { blueprint: 'two', input: { n: 7 }, tags: ['kept'] })
    const early = await server.call('POST', `/api/v1/jobs/${id}/retry`)
    expect([early.status, early.body.code]).toEqual([409, 'JOB_RUNNING'])
    await workOne(server, { one: 1 })
    await workOne(server, {}, 'failure')
    const former = await read(server, id)
    expect(former.status).toBe('failed')
    const { status, body } = await server.call('POST', `/api/v1/jobs/${id}/retry`)
    expect([status, body.job_id === id]).toEqual([202, false])
    expect(await read(server, body.job_id)).toMatchObject({
      current_state: 'second',
      status: 'waiting_for_worker',
      data: { one: 1 },
      input: { n: 7 },
      origin: { kind: 'fork', job_id: id },
    })
    await workOne(server, { two: 2 })
    expect(await read(server, body.job_id)).toMatchObject({ status: 'finished', result: { one: 1, two: 2 } })
    // The former one stays as it was.
    expect(await read(server, id)).toEqual(former)
    const forks = await server.call('GET', `/api/v1/jobs?forked_from=${id}`)
    expect(forks.body.items.map((job: { id: string }) => job.id)).toEqual([body.job_id])
  })

  test('from a state, from a line of the log, with other data and input', async () => {
    const server = await withTwo()
    const id = await start(server, { blueprint: 'two', input: { n: 7 } })
    await workOne(server, { one: 1 })
    await workOne(server, { two: 2 })
    const fork = async (body: object) => {
      const answer = await server.call('POST', `/api/v1/jobs/${id}/fork`, body)
      expect(answer.status, JSON.stringify(answer.body)).toBe(202)
      return read(server, answer.body.job_id)
    }
    expect(await fork({ state: 'first', input: { n: 8 } })).toMatchObject({
      current_state: 'first',
      data: {},
      input: { n: 8 },
    })
    expect(await fork({ state: 'second', data: { one: 11 } })).toMatchObject({
      current_state: 'second',
      data: { one: 11 },
    })
    expect(await fork({ seq: 2 })).toMatchObject({ current_state: 'first', data: {} })
    for (const [body, path] of [
      [{ state: 'nowhere' }, 'body.state'],
      [{ seq: 0 }, 'body.seq'],
    ] as const) {
      const answer = await server.call('POST', `/api/v1/jobs/${id}/fork`, body)
      expect([answer.status, answer.body.path]).toEqual([400, path])
    }
  })
})

describe('events', () => {
  const send = (server: TestServer, id: string, body: object) => server.call('POST', `/api/v1/jobs/${id}/events`, body)

  test('one that comes before it is waited for is kept; under one id it counts once', async () => {
    const server = await withTwo()
    const id = await start(server, { blueprint: 'paid' })
    const early = { name: 'paid', data: { amount: 1 }, id: 'evt-1' }
    for (let times = 0; times < 3; times += 1)
      expect((await send(server, id, early)).body).toEqual({ status: 'event_accepted', job_id: id })
    await workOne(server, {})
    await until(async () => (await read(server, id)).current_state === 'again')
    // Sent again after it was taken: still the same event.
    await send(server, id, early)
    expect(await read(server, id)).toMatchObject({
      status: 'waiting_for_event',
      waiting_for: { kind: 'event', name: 'paid', expires_at: null },
    })
    await send(server, id, { name: 'paid', data: { amount: 2 }, id: 'evt-2' })
    expect(await read(server, id)).toMatchObject({ status: 'finished', result: { amount: 2 } })
    const late = await send(server, id, { name: 'paid', data: { amount: 3 } })
    expect([late.status, late.body.code]).toEqual([409, 'JOB_TERMINAL'])
  })

  test('what the blueprint’s schema does not take is refused with its path', async () => {
    const server = await withTwo()
    const id = await start(server, { blueprint: 'paid' })
    const answer = await send(server, id, { name: 'paid', data: { amount: 'much' } })
    expect([answer.status, answer.body.path]).toEqual([400, 'body.data.amount'])
  })

  test('no more are kept than the installation allows', async () => {
    const server = await startServer({ blueprints: [two], engineSettings: { maxSignals: 2 } })
    const id = await start(server, { blueprint: 'two' })
    const answers = []
    for (let n = 0; n < 3; n += 1) answers.push(await send(server, id, { name: 'noise', data: n }))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429])
    expect(answers[2]?.body.code).toBe('TOO_MANY_SIGNALS')
  })
})

test('migrate: a waiting job goes on with another version, in a state that is there', async () => {
  const { connectionString, drop } = await testDatabase()
  onTestFinished(drop)
  const before = blueprint({ name: 'moving', version: 1 })
    .state('old', { start: true, to: ['done'] }, ({ approval }) => approval({ message: '?', on: { yes: 'done' } }))
    .end('done', () => ({ by: 1 }))
  const after = blueprint({ name: 'moving', version: 2 })
    .state('new', { start: true, to: ['done'] }, ({ approval }) => approval({ message: '!', on: { yes: 'done' } }))
    .end('done', () => ({ by: 2 }))
  const open = () => createPostgresStore({ connectionString, onError: () => {} })
  const server = await startServer({ blueprints: [before, after], store: await open() })
  const old = createEngine({ store: server.store, blueprints: [before] })
  const [job] = await old.create([{ blueprint: 'moving', input: {}, client: 'anna' }])
  await old.stop()
  const id = job?.id ?? ''
  const migrate = (body: object) => server.call('POST', `/api/v1/jobs/${id}/migrate`, body)
  const lacking = await migrate({ version: 2 })
  expect([lacking.status, lacking.body.code]).toEqual([400, 'INVALID_BODY'])
  expect((await migrate({ version: 9 })).body.code).toBe('BLUEPRINT_NOT_FOUND')
  expect((await migrate({ version: 2, state: 'new' })).body).toMatchObject({ version: 2, id })
  await until(async () => (await read(server, id)).waiting_for?.message === '!')
  await server.call('POST', `/api/v1/jobs/${id}/approve`, { decision: 'yes' })
  expect(await read(server, id)).toMatchObject({ status: 'finished', result: { by: 2 } })
  expect((await migrate({ version: 1 })).status).toBe(409)
})

test('remove: only what has ended, with its log; after that it was never there', async () => {
  const server = await withTwo()
  const id = await start(server, { blueprint: 'two' })
  const running = await server.call('DELETE', `/api/v1/jobs/${id}`)
  expect([running.status, running.body.code]).toEqual([409, 'JOB_RUNNING'])
  await server.call('POST', `/api/v1/jobs/${id}/cancel`)
  const gone = await server.call('DELETE', `/api/v1/jobs/${id}`)
  expect([gone.status, gone.body]).toEqual([204, ''])
  for (const [method, rest] of [
    ['GET', ''],
    ['GET', '/history'],
    ['DELETE', ''],
  ] as const)
    expect((await server.call(method, `/api/v1/jobs/${id}${rest}`)).body.code, method + rest).toBe('JOB_NOT_FOUND')
})

test('none of it works on a stranger’s job, and nobody is told that it is there', async () => {
  const server = await withTwo()
  const id = await start(server, { blueprint: 'two' })
  const before = await read(server, id)
  const tries: [method: string, path: string, body?: object][] = [
    ['PATCH', '', { paused: true }],
    ['POST', '/events', { name: 'paid', data: { amount: 1 } }],
    ['POST', '/fork', {}],
    ['POST', '/retry', {}],
    ['POST', '/migrate', { version: 1 }],
    ['POST', '/cancel', {}],
    ['POST', '/approve', { decision: 'yes' }],
    ['GET', '/history'],
    ['GET', '/stream'],
    ['DELETE', ''],
  ]
  const unknown = crypto.randomUUID()
  for (const [method, path, body] of tries) {
    const theirs = await server.call(method, `/api/v1/jobs/${id}${path}`, body, otto)
    const nobodys = await server.call(method, `/api/v1/jobs/${unknown}${path}`, body, otto)
    expect(theirs.status, method + path).toBe(404)
    expect(theirs.body, method + path).toEqual(nobodys.body)
  }
  expect(await read(server, id)).toEqual(before)
  expect((await server.call('GET', `/api/v1/jobs?forked_from=${id}`)).body.items).toEqual([])
})
