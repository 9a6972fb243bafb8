/** How often a client may ask. */
import { expect, test } from 'vitest'
import { startServer, type TestServer, tokens } from './support/server.ts'

const ask = (server: TestServer, token: string = tokens.anna) =>
  server.call('GET', '/api/v1/quota', undefined, { 'x-avtomatika-token': token })

test('so many in a time, then 429 that says how long; what was refused does not count; then on', async () => {
  let now = 0
  const server = await startServer({
    settings: { clientRate: { count: 3, perMs: 60_000 } },
    parts: { now: () => now },
  })
  for (let times = 0; times < 3; times += 1) expect((await ask(server)).status).toBe(200)
  for (let times = 0; times < 5; times += 1) {
    const { status, headers, body } = await ask(server)
    expect([status, body.code, headers.get('retry-after')]).toEqual([429, 'TOO_MANY_REQUESTS', '20'])
  }
  now += 20_000
  expect((await ask(server)).status).toBe(200)
  expect((await ask(server)).status).toBe(429)
})

test('each client has its own, whatever its address; operators have none', async () => {
  const server = await startServer({ settings: { clientRate: { count: 1, perMs: 60_000 } } })
  expect((await ask(server)).status).toBe(200)
  expect((await ask(server)).status).toBe(429)
  expect((await ask(server, tokens.otto)).status).toBe(200)
  for (let times = 0; times < 5; times += 1) expect((await ask(server, tokens.olga)).status).toBe(200)
})

test('a client’s own rate goes before that of the installation', async () => {
  const server = await startServer({
    settings: { clientRate: { count: 100, perMs: 60_000 } },
    clients: { anna: { rateLimit: { count: 2, perMs: 60_000 } } },
  })
  const answers = []
  for (let times = 0; times < 3; times += 1) answers.push((await ask(server)).status)
  expect(answers).toEqual([200, 200, 429])
})

test('whoever has no token is not counted for anybody', async () => {
  const server = await startServer({ settings: { clientRate: { count: 1, perMs: 60_000 } } })
  for (let times = 0; times < 3; times += 1) expect((await ask(server, 'guessed')).status).toBe(401)
  expect((await ask(server)).status).toBe(200)
})

test('both prefixes count together', async () => {
  const server = await startServer({ settings: { clientRate: { count: 1, perMs: 60_000 } } })
  expect((await server.call('GET', '/api/v1/quota')).status).toBe(200)
  expect((await server.call('GET', '/api/quota')).status).toBe(429)
})
