/** Schedules over the API: one's own, a stranger's, an operator's view, the file's. */
import { scheduleSpec } from '@tutti/contracts'
import { createScheduler } from '@tutti/engine'
import { expect, test } from 'vitest'
import { startServer, tokens, until } from './support/server.ts'

const otto = { 'x-avtomatika-token': tokens.otto }
const olga = { 'x-avtomatika-token': tokens.olga }
const nightly = { blueprint: 'nothing', daily_at: '3:00', timezone: 'Europe/Moscow', tags: ['night'] }
const names = (answer: { body: { name: string }[] }) => answer.body.map(({ name }) => name)

test('made, read, listed, replaced, removed; next tells when', async () => {
  const server = await startServer()
  const made = await server.call('PUT', '/api/v1/schedules/nightly', nightly)
  expect([made.status, made.body]).toMatchObject([
    200,
    { id: 'anna/nightly', source: 'api', spec: { daily_at: '03:00' }, paused: false, fired: 0, last: null },
  ])
  expect(Date.parse(made.body.next_at) % 86_400_000).toBe(0)
  const { body } = await server.call('GET', '/api/v1/schedules/nightly/next?count=3')
  expect(body.next).toHaveLength(3)
  expect(body.next[0]).toBe(made.body.next_at)
  await server.call('PUT', '/api/v1/schedules/nightly', { ...nightly, daily_at: '4:00' })
  expect((await server.call('GET', '/api/v1/schedules/nightly')).body.spec.daily_at).toBe('04:00')
  expect(names(await server.call('GET', '/api/v1/schedules'))).toEqual(['nightly'])
  expect((await server.call('DELETE', '/api/v1/schedules/nightly')).status).toBe(204)
  expect((await server.call('GET', '/api/v1/schedules/nightly')).body.code).toBe('SCHEDULE_NOT_FOUND')
})

test('faults are named where they are', async () => {
  const server = await startServer()
  for (const [body, code, path] of [
    [{ ...nightly, daily_at: '25:00' }, 'INVALID_BODY', 'body.daily_at'],
    [{ ...nightly, interval_seconds: 5 }, 'INVALID_BODY', 'body.daily_at'],
    [{ blueprint: 'nothing' }, 'INVALID_BODY', 'body.interval_seconds'],
    [{ ...nightly, blueprint: 'nobody' }, 'BLUEPRINT_NOT_FOUND', undefined],
  ] as const) {
    const answer = await server.call('PUT', '/api/v1/schedules/nightly', body)
    expect(answer.body.code, JSON.stringify(body)).toBe(code)
    if (path) expect(answer.body.path, JSON.stringify(body)).toBe(path)
  }
  expect((await server.call('GET', '/api/v1/schedules')).body).toEqual([])
})

test('it fires by itself, its jobs are its owner’s and tell where they come from; paused it fires nothing', async () => {
  const server = await startServer({ engineSettings: { safetyIntervalMs: 50 } })
  await server.call('PUT', '/api/v1/schedules/often', { blueprint: 'nothing', interval_seconds: 3600, tags: ['x'] })
  const list = () => server.call('GET', '/api/v1/jobs?schedule_id=anna%2Foften')
  const [job] = await until(async () => {
    const { items } = (await list()).body
    return items.length > 0 && items
  })
  expect(job).toMatchObject({ tags: ['x'], origin: { kind: 'schedule', schedule_id: 'anna/often' } })
  const shown = await until(async () => {
    const { body } = await server.call('GET', '/api/v1/schedules/often')
    return body.last && body
  })
  expect(shown).toMatchObject({ fired: 1, last: { outcome: 'fired', job_id: job.id, job_status: 'finished' } })
  expect((await server.call('POST', '/api/v1/schedules/often/pause')).body.paused).toBe(true)
  const triggered = await server.call('POST', '/api/v1/schedules/often/trigger')
  expect([triggered.status, triggered.body.status]).toEqual([202, 'accepted'])
  expect((await list()).body.items).toHaveLength(2)
  expect((await server.call('POST', '/api/v1/schedules/often/resume')).body.paused).toBe(false)
})

test('a stranger’s schedule is not there; an operator looks after everybody’s', async () => {
  const server = await startServer()
  await server.call('PUT', '/api/v1/schedules/nightly', nightly)
  const tries: [method: string, rest: string][] = [
    ['GET', ''],
    ['GET', '/next'],
    ['POST', '/pause'],
    ['POST', '/resume'],
    ['POST', '/trigger'],
    ['DELETE', ''],
  ]
  for (const [method, rest] of tries) {
    const answer = await server.call(method, `/api/v1/schedules/nightly${rest}`, undefined, otto)
    expect([answer.status, answer.body.code], method + rest).toEqual([404, 'SCHEDULE_NOT_FOUND'])
    const named = await server.call(method, `/api/v1/schedules/nightly${rest}?client=anna`, undefined, otto)
    expect([named.status, named.body.code], method + rest).toEqual([403, 'FORBIDDEN'])
  }
  expect((await server.call('GET', '/api/v1/schedules', undefined, otto)).body).toEqual([])
  // A name is one's own: two clients may use the same.
  await server.call('PUT', '/api/v1/schedules/nightly', nightly, otto)
  expect(
    (await server.call('GET', '/api/v1/schedules', undefined, olga)).body.map(({ id }: { id: string }) => id).sort(),
  ).toEqual(['anna/nightly', 'otto/nightly'])
  const paused = await server.call('POST', '/api/v1/schedules/nightly/pause?client=anna', undefined, olga)
  expect([paused.status, paused.body.client]).toEqual([200, 'anna'])
  expect((await server.call('GET', '/api/v1/schedules/nightly', undefined, otto)).body.paused).toBe(false)
})

test('one of the file can be paused and triggered, but is changed only there', async () => {
  const server = await startServer()
  const scheduler = createScheduler({
    engine: server.engine,
    store: server.store,
    timeZone: 'UTC',
    jobDefaults: () => ({}),
    onError: () => {},
  })
  await scheduler.syncFile([{ name: 'weekly', owner: 'anna', spec: scheduleSpec.parse(nightly) }])
  expect((await server.call('GET', '/api/v1/schedules/weekly')).body.source).toBe('file')
  for (const [method, body] of [
    ['PUT', nightly],
    ['DELETE', undefined],
  ] as const) {
    const answer = await server.call(method, '/api/v1/schedules/weekly', body)
    expect([answer.status, answer.body.code], method).toEqual([409, 'SCHEDULE_FROM_FILE'])
  }
  expect((await server.call('POST', '/api/v1/schedules/weekly/pause')).body.paused).toBe(true)
  expect((await server.call('POST', '/api/v1/schedules/weekly/trigger')).status).toBe(202)
})
