/** Quotas of clients, as the document of the configuration describes them. */
import { writeFileSync } from 'node:fs'
import { blueprint } from '@tutti/engine'
import { createMemoryStore } from '@tutti/stores'
import { testDatabase, testRedis } from '@tutti/stores/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import { file, type Server, serve } from '../configuration/server.ts'

/** Answers what it is told of its client. */
const whoIs = blueprint({ name: 'who-is' })
  .state('begin', { start: true, to: ['done'] }, ({ client, goTo }) => goTo('done', { ...client }))
  .end('done', ({ data }) => data)
const blueprints = [whoIs]

const clients = (attempts: number): string => `
[anna]
token = "of-anna"
plan = "premium"
monthly_attempts = ${attempts}
languages = ["en", "de"]
priority_support = true

[otto]
token = "of-otto"
monthly_attempts = 1

[olga]
token = "of-olga"
role = "operator"
`
const as = (name: string) => ({ 'x-avtomatika-token': `of-${name}`, 'x-client-token': '' })
const create = (server: Server, name = 'anna') => server.post('/api/v1/jobs', { blueprint: 'who-is' }, as(name))
const statuses = async (server: Server, times: number, name = 'anna'): Promise<number[]> => {
  const found: number[] = []
  for (let time = 0; time < times; time += 1) found.push((await create(server, name)).status)
  return found
}

describe.each([
  [
    'PostgreSQL',
    async () => {
      const { connectionString, drop } = await testDatabase()
      onTestFinished(drop)
      return { STORAGE: 'postgres', DATABASE_URL: connectionString }
    },
  ],
  [
    'Redis',
    async () => {
      const { port, stop } = await testRedis({ port: true })
      onTestFinished(stop)
      return { STORAGE: 'redis', REDIS_HOST: '127.0.0.1', REDIS_PORT: String(port) }
    },
  ],
])('on %s', (_name, place) => {
  it('what is used up stays used up over a restart, and two instances count together', async () => {
    const env = { ...(await place()), CLIENTS_CONFIG_PATH: file('clients.toml', clients(4)) }
    const first = await serve({ ...env, INSTANCE_ID: 'one' }, { blueprints })
    expect(await statuses(first, 2)).toEqual([202, 202])
    await first.stop()
    const again = await serve({ ...env, INSTANCE_ID: 'one' }, { blueprints })
    const other = await serve({ ...env, INSTANCE_ID: 'two' }, { blueprints })
    const answers = await Promise.all([create(again), create(other), create(again), create(other)])
    expect(answers.map(({ status }) => status).sort()).toEqual([202, 202, 429, 429])
  })
})

const start = async (attempts: number, env: Record<string, string> = {}, now?: () => number) => {
  const path = file('clients.toml', clients(attempts))
  const store = now ? { store: createMemoryStore({ now }) } : {}
  return { path, server: await serve({ CLIENTS_CONFIG_PATH: path, ...env }, { blueprints, ...store }) }
}

it('a job knows the plan of its client and the fields of its own, and none of its secrets', async () => {
  const { server } = await start(10)
  const { job_id } = (await create(server)).body
  const { result } = (await server.get(`/api/v1/jobs/${job_id}`, as('anna'))).body
  expect(result).toMatchObject({ plan: 'premium', params: { languages: ['en', 'de'], priority_support: true } })
  expect(JSON.stringify(result)).not.toContain('of-anna')
})

it('jobs cost, and nothing else does: reading, refusals and other clients', async () => {
  const { server } = await start(2)
  const first = await create(server)
  expect([first.headers.get('x-quota-limit'), first.headers.get('x-quota-remaining')]).toEqual(['2', '1'])
  for (let time = 0; time < 5; time += 1)
    expect((await server.get(`/api/v1/jobs/${first.body.job_id}`, as('anna'))).status).toBe(200)
  expect((await server.post('/api/v1/jobs', { blueprint: 'nowhere' }, as('anna'))).status).toBe(404)
  expect((await server.post('/api/v1/jobs', '{', as('anna'))).status).toBe(400)
  expect(await statuses(server, 2)).toEqual([202, 429])
  expect(await statuses(server, 2, 'otto')).toEqual([202, 429])
  expect(await statuses(server, 3, 'olga')).toEqual([202, 202, 202])
  const refused = await create(server)
  expect(refused.body).toMatchObject({ code: 'QUOTA_EXCEEDED' })
})

it.each([
  ['UTC', '2031-03-31T21:30:00Z', '2031-04-01T00:00:00Z'],
  // There it is April already.
  ['Europe/Moscow', '2031-03-31T21:30:00Z', '2031-04-30T21:00:00Z'],
  // Summer time has begun meanwhile.
  ['America/New_York', '2031-03-05T12:00:00Z', '2031-04-01T04:00:00Z'],
])('in %s a month that is at %s ends at %s, and then all is new', async (zone, at, end) => {
  let instant = Date.parse(at)
  const { server } = await start(1, { TZ: zone }, () => instant)
  const first = await create(server)
  expect(new Date(Number(first.headers.get('x-quota-reset')) * 1000)).toEqual(new Date(end))
  expect(await statuses(server, 1)).toEqual([429])
  instant = Date.parse(end) - 1
  expect(await statuses(server, 1)).toEqual([429])
  instant = Date.parse(end)
  expect(await statuses(server, 2)).toEqual([202, 429])
})

it('a reload changes a quota, without giving back what was used', async () => {
  const { server, path } = await start(2)
  expect(await statuses(server, 3)).toEqual([202, 202, 429])
  const reload = async (attempts: number): Promise<void> => {
    writeFileSync(path, clients(attempts))
    expect((await server.post('/api/v1/admin/reload-clients', undefined, as('olga'))).status).toBe(200)
  }
  await reload(3)
  expect(await statuses(server, 2)).toEqual([202, 429])
  await reload(1)
  expect(await statuses(server, 1)).toEqual([429])
})
