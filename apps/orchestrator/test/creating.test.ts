/** What a client may say when it creates jobs: once, later, how urgent, and how many in a month. */
import { blueprint } from '@tutti/engine'
import { createMemoryStore, createPostgresStore } from '@tutti/stores'
import { testDatabase } from '@tutti/stores/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startServer, type TestServer, tokens, until } from './support/server.ts'

const input = { url: 'https://example.org/a.png' }
const shrink = { blueprint: 'shrink', input }
const otto = { 'x-avtomatika-token': tokens.otto }

const create = (server: TestServer, body: object, headers: Record<string, string> = {}) =>
  server.call('POST', '/api/v1/jobs', body, headers)
const count = async (server: TestServer): Promise<number> =>
  (await server.call('GET', '/api/v1/jobs?limit=500')).body.items.length

describe('Idempotency-Key', () => {
  const key = { 'idempotency-key': 'order 7, first try' }

  test('the same request again answers with the job that is there', async () => {
    const server = await startServer()
    const first = await create(server, shrink, key)
    // Written differently, but the same.
    const again = await create(server, { input: { ...input }, blueprint: 'shrink' }, key)
    expect([first.status, again.status]).toEqual([202, 202])
    expect(again.body).toEqual(first.body)
    expect(await count(server)).toBe(1)
  })

  test('another request under the key is refused, and makes nothing', async () => {
    const server = await startServer()
    await create(server, shrink, key)
    for (const other of [{ ...shrink, priority: 3 }, { blueprint: 'nothing' }]) {
      const answer = await create(server, other, key)
      expect([answer.status, answer.body.code]).toEqual([422, 'IDEMPOTENCY_CONFLICT'])
    }
    expect(await count(server)).toBe(1)
  })

  test('twenty at the same moment make one job', async () => {
    const server = await startServer()
    const answers = await Promise.all(Array.from({ length: 20 }, () => create(server, shrink, key)))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]))
    expect(new Set(answers.map(({ body }) => body.job_id)).size).toBe(1)
    expect(await count(server)).toBe(1)
  })

  test('an object and the list of its members are two requests', async () => {
    const server = await startServer()
    const told = (metadata: object) => create(server, { blueprint: 'nothing', metadata }, key)
    expect((await told({ size: { width: 1 } })).status).toBe(202)
    expect((await told({ size: [['width', 1]] })).body.code).toBe('IDEMPOTENCY_CONFLICT')
  })

  test('a batch is one request: the same jobs in the same order, and not one more', async () => {
    const server = await startServer()
    const batch = { jobs: [shrink, { blueprint: 'nothing' }, shrink] }
    const send = (body: object) => server.call('POST', '/api/v1/jobs/batch', body, key)
    const first = await send(batch)
    expect(new Set(first.body.jobs.map((job: { job_id: string }) => job.job_id)).size).toBe(3)
    expect((await send(batch)).body).toEqual(first.body)
    const longer = await send({ jobs: [...batch.jobs, shrink] })
    expect([longer.status, longer.body.code]).toEqual([422, 'IDEMPOTENCY_CONFLICT'])
    expect(await count(server)).toBe(3)
  })

  test('two clients may use the same key', async () => {
    const server = await startServer()
    const [mine, theirs] = [await create(server, shrink, key), await create(server, shrink, { ...key, ...otto })]
    expect(theirs.status).toBe(202)
    expect(theirs.body.job_id).not.toBe(mine.body.job_id)
  })

  test('key and id at once are refused, and so is a key without end', async () => {
    const server = await startServer()
    const both = await create(server, { ...shrink, id: crypto.randomUUID() }, key)
    expect([both.status, both.body.path]).toEqual([400, 'body.id'])
    const long = await create(server, shrink, { 'idempotency-key': 'k'.repeat(256) })
    expect([long.status, long.body.path]).toEqual([400, 'header.idempotency-key'])
    expect(await count(server)).toBe(0)
  })

  test('it holds at a blueprint’s own endpoint, in both forms of the body', async () => {
    const server = await startServer()
    const send = (path: string, body: object) => server.call('POST', path, body, key)
    const first = await send('/api/v1/pictures/shrink', { initial_data: input })
    expect((await send('/api/pictures/shrink', input)).body).toEqual(first.body)
    expect((await send('/api/pictures/shrink', { ...input, sizes: [1] })).status).toBe(422)
  })
})

describe('quota', () => {
  const three = { clients: { anna: { monthlyAttempts: 3, plan: 'basic' } } }
  const left = async (server: TestServer): Promise<number> => (await server.call('GET', '/api/v1/quota')).body.remaining

  test('so many jobs, then 429 that says until when; reading stays free, and other clients create on', async () => {
    const server = await startServer(three)
    for (const remaining of [2, 1, 0]) {
      const { status, headers } = await create(server, { blueprint: 'nothing' })
      expect(status).toBe(202)
      expect(['limit', 'remaining'].map((name) => headers.get(`x-quota-${name}`))).toEqual(['3', String(remaining)])
      expect(Number(headers.get('x-quota-reset'))).toBeGreaterThan(Date.now() / 1000)
    }
    const refused = await create(server, { blueprint: 'nothing' })
    expect([refused.status, refused.body.code, refused.body.retryable]).toEqual([429, 'QUOTA_EXCEEDED', true])
    const waitMs = Date.parse(refused.body.retry_at) - Date.now()
    expect(Math.abs(Number(refused.headers.get('retry-after')) - waitMs / 1000)).toBeLessThan(5)
    expect(await count(server)).toBe(3)
    expect((await server.call('GET', '/api/v1/quota')).body).toEqual({
      plan: 'basic',
      monthly_attempts: 3,
      used: 3,
      remaining: 0,
      resets_at: refused.body.retry_at,
    })
    expect((await create(server, { blueprint: 'nothing' }, otto)).status).toBe(202)
  })

  test('a batch that is too large makes nothing and takes nothing', async () => {
    const server = await startServer(three)
    const batch = (size: number) =>
      server.call('POST', '/api/v1/jobs/batch', {
        jobs: Array.from({ length: size }, () => ({ blueprint: 'nothing' })),
      })
    expect((await batch(4)).body.code).toBe('QUOTA_EXCEEDED')
    expect([await count(server), await left(server)]).toEqual([0, 3])
    expect((await batch(3)).status).toBe(202)
  })

  test('what makes no job takes nothing: a refused input, a job that is there', async () => {
    const server = await startServer(three)
    await create(server, { blueprint: 'shrink', input: { url: 'no' } })
    const id = crypto.randomUUID()
    for (let times = 0; times < 3; times += 1) expect((await create(server, { ...shrink, id })).status).toBe(202)
    expect(await left(server)).toBe(2)
  })

  test('forty at the same moment get no more than there is', async () => {
    const server = await startServer({ clients: { anna: { monthlyAttempts: 7 } } })
    const answers = await Promise.all(Array.from({ length: 40 }, () => create(server, { blueprint: 'nothing' })))
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(7)
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(33)
    expect(await count(server)).toBe(7)
  })

  test('a new month begins where the installation is, not in Greenwich', async () => {
    // 23:30 of the last of March in Moscow.
    let now = Date.parse('2026-03-31T20:30:00Z')
    const server = await startServer({
      clients: { anna: { monthlyAttempts: 1 } },
      settings: { timeZone: 'Europe/Moscow' },
      store: createMemoryStore({ now: () => now }),
    })
    expect((await create(server, { blueprint: 'nothing' })).status).toBe(202)
    const refused = await create(server, { blueprint: 'nothing' })
    expect([refused.status, Date.parse(refused.body.retry_at)]).toEqual([429, Date.parse('2026-03-31T21:00:00Z')])
    expect((await server.call('GET', '/api/v1/quota')).body.resets_at).toBe('2026-04-01T00:00:00.000+03:00')
    now = Date.parse('2026-03-31T21:00:01Z')
    expect((await create(server, { blueprint: 'nothing' })).status).toBe(202)
    expect(await left(server)).toBe(0)
  })

  test('a restart does not fill it up again', async () => {
    const { connectionString, drop } = await testDatabase()
    onTestFinished(drop)
    const open = () => createPostgresStore({ connectionString, onError: () => {} })
    const first = await startServer({ ...three, store: await open() })
    for (let times = 0; times < 2; times += 1) await create(first, { blueprint: 'nothing' })
    await first.close()
    await first.engine.stop()
    const second = await startServer({ ...three, store: await open() })
    expect(await left(second)).toBe(1)
    expect((await create(second, { blueprint: 'nothing' })).status).toBe(202)
    expect((await create(second, { blueprint: 'nothing' })).body.code).toBe('QUOTA_EXCEEDED')
  })

  test('without one there is nothing to tell', async () => {
    const server = await startServer()
    const { headers } = await create(server, { blueprint: 'nothing' })
    expect(headers.get('x-quota-limit')).toBeNull()
    expect((await server.call('GET', '/api/v1/quota')).body).toMatchObject({ monthly_attempts: null, remaining: null })
  })
})

describe('not before', () => {
  test('an instant: the job waits for it, and can be cancelled meanwhile', async () => {
    const server = await startServer()
    const run_at = new Date(Date.now() + 3_600_000).toISOString()
    const { body } = await create(server, { blueprint: 'nothing', run_at })
    const job = (await server.call('GET', `/api/v1/jobs/${body.job_id}`)).body
    expect(job).toMatchObject({ status: 'pending', start_at: run_at, result: null })
    await server.call('POST', `/api/v1/jobs/${body.job_id}/cancel`)
    expect((await server.call('GET', `/api/v1/jobs/${body.job_id}`)).body.status).toBe('cancelled')
  })

  test('a delay: it begins by itself when that is over', async () => {
    let now = Date.now()
    const server = await startServer({
      store: createMemoryStore({ now: () => now }),
      engineSettings: { safetyIntervalMs: 20 },
    })
    const { body } = await create(server, { blueprint: 'nothing', delay_seconds: 30 })
    const read = async () => (await server.call('GET', `/api/v1/jobs/${body.job_id}`)).body
    expect((await read()).status).toBe('pending')
    now += 29_000
    expect((await read()).status).toBe('pending')
    now += 1_001
    await until(async () => (await read()).status === 'finished')
  })

  test('of both the later; an instant that has passed means at once', async () => {
    const server = await startServer()
    const early = new Date(Date.now() - 1_000).toISOString()
    const both = await create(server, { blueprint: 'nothing', run_at: early, delay_seconds: 3600 })
    expect((await server.call('GET', `/api/v1/jobs/${both.body.job_id}`)).body.status).toBe('pending')
    const past = await create(server, { blueprint: 'nothing', run_at: early })
    expect((await server.call('GET', `/api/v1/jobs/${past.body.job_id}`)).body.status).toBe('finished')
  })
})

test('the more urgent task is handed out first; equals in the order in which they came', async () => {
  const server = await startServer()
  await server.worker('hand-2')
  const made: Record<string, string> = {}
  for (const [name, priority] of [
    ['low', -5],
    ['first', 0],
    ['second', 0],
    ['high', 10.5],
  ] as const)
    made[(await create(server, { ...shrink, priority })).body.job_id] = name
  const order: (string | undefined)[] = []
  for (let times = 0; times < 4; times += 1)
    order.push(made[(await server.work('GET', '/workers/hand-2/tasks/next?timeout=0')).body.job_id])
  expect(order).toEqual(['high', 'first', 'second', 'low'])
})

describe('lists', () => {
  const ids = async (server: TestServer, query: string): Promise<string[]> => {
    const { status, body } = await server.call('GET', `/api/v1/jobs?${query}`)
    expect(status, query).toBe(200)
    return body.items.map((job: { id: string }) => job.id)
  }

  test('by status, blueprint, tag, metadata and age; conditions all hold', async () => {
    const server = await startServer()
    const make = async (body: object): Promise<string> => (await create(server, body)).body.job_id
    const red = await make({ ...shrink, tags: ['night', 'red'], metadata: { customer: 7, city: 'Ulm' } })
    const blue = await make({ ...shrink, tags: ['night'], metadata: { customer: 8 } })
    const done = await make({ blueprint: 'nothing', metadata: { customer: 7 } })
    expect(await ids(server, 'tag=night')).toEqual([blue, red])
    expect(await ids(server, 'tag=red')).toEqual([red])
    expect(await ids(server, 'metadata=customer%3D7')).toEqual([done, red])
    expect(await ids(server, 'metadata=customer%3D7&metadata=city%3DUlm')).toEqual([red])
    expect(await ids(server, 'metadata=customer%3D7&status=finished')).toEqual([done])
    expect(await ids(server, 'status=finished,waiting_for_worker')).toEqual([done, blue, red])
    expect(await ids(server, 'status=finished&status=cancelled')).toEqual([done])
    expect(await ids(server, 'blueprint=shrink&tag=night')).toEqual([blue, red])
    const later = new Date(Date.now() + 60_000).toISOString()
    expect(await ids(server, `created_from=${encodeURIComponent(later)}`)).toEqual([])
    expect(await ids(server, `created_before=${encodeURIComponent(later)}`)).toHaveLength(3)
    // The words by which jobs know their parents are no tags that somebody could search strangers by.
    expect((await server.call('GET', '/api/v1/jobs?tag=night', undefined, otto)).body.items).toEqual([])
  })

  test('pages hold every job once, also when others are made meanwhile', async () => {
    const server = await startServer()
    const made = new Set<string>()
    const make = async () => made.add((await create(server, { blueprint: 'nothing' })).body.job_id)
    for (let n = 0; n < 25; n += 1) await make()
    const before = new Set(made)
    const seen: string[] = []
    let cursor = ''
    do {
      const { body } = await server.call('GET', `/api/v1/jobs?limit=4${cursor}`)
      seen.push(...body.items.map((job: { id: string }) => job.id))
      cursor = body.next_cursor === null ? '' : `&cursor=${encodeURIComponent(body.next_cursor)}`
      await make()
    } while (cursor !== '')
    expect(new Set(seen).size).toBe(seen.length)
    expect(new Set(seen)).toEqual(before)
  })
})

test('children know their parent, belong to its client, and are found by it', async () => {
  const parent = blueprint({ name: 'parent' })
    .state('begin', { start: true, to: ['done'] }, ({ runBlueprint }) =>
      runBlueprint('shrink', { url: 'https://example.org/a.png' }, { on: { success: 'done' } }),
    )
    .end('done')
  const { blueprints } = await import('./support/blueprints.ts')
  const server = await startServer({ blueprints: [...blueprints, parent] })
  const { body } = await create(server, { blueprint: 'parent' })
  const list = (await server.call('GET', `/api/v1/jobs?parent_job_id=${body.job_id}`)).body.items
  expect(list).toMatchObject([{ parent_job_id: body.job_id, origin: { kind: 'parent', job_id: body.job_id } }])
  expect((await server.call('GET', `/api/v1/jobs/${list[0].id}`, undefined, otto)).status).toBe(404)
})
