/** What the log says while the store is away: its reason once, and not a stack for each request that was refused because of it. */
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { testS3 } from '@tutti/objects/testing'
import { startBuiltInPostgres } from '@tutti/stores/built-in-postgres'
import { freePort, testRedis } from '@tutti/stores/testing'
import { expect, onTestFinished, test, vi } from 'vitest'

interface Line {
  level: string
  msg: string
  err?: { message: string }
  failures?: Record<string, number>
}

const patience = { timeout: 30_000, interval: 50 }

/** The process, and what it has logged so far. */
const start = async (app: 'backend' | 'orchestrator', env: Record<string, string>) => {
  const main = fileURLToPath(new URL(`../../apps/${app}/src/main.ts`, import.meta.url))
  const child = spawn(process.execPath, [main], {
    env: { PATH: process.env.PATH, LOG_FORMAT: 'json', LOG_LEVEL: 'INFO', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines: Line[] = []
  createInterface(child.stdout).on('line', (line) => lines.push(JSON.parse(line) as Line))
  const said = (text: string) =>
    vi.waitFor(() => {
      const line = lines.find(({ msg }) => msg.includes(text))
      if (line === undefined) throw new Error(`it has not said “${text}”: ${JSON.stringify(lines.slice(-5))}`)
      return line
    }, patience)
  await said('listens')
  return { lines, said }
}

/** Twenty callers at once, until each was refused once and was let through in the end. */
const callUntilBack = async (address: string, headers: Record<string, string>, bringBack: () => Promise<void>) => {
  const status = async () => {
    const response = await fetch(address, { headers, signal: AbortSignal.timeout(20_000) })
    await response.arrayBuffer()
    return response.status
  }
  const callers = <T>(call: () => Promise<T>) => Promise.all(Array.from({ length: 20 }, call))
  const refused = await callers(() => vi.waitFor(async () => expect(await status()).toBe(503), patience))
  await callers(async () => expect(await status()).toBe(503))
  await bringBack()
  await callers(() => vi.waitFor(async () => expect(await status()).toBe(200), patience))
  return refused.length * 2
}

/** Told once that it went and why, once that it is back and what it cost, and nothing of the single requests. */
const toldOnce = async (server: Awaited<ReturnType<typeof start>>, refused: number, request: string) => {
  const back = await server.said('the store is back')
  const until = server.lines.slice(0, server.lines.indexOf(back))
  const errors = until.filter(({ level }) => level === 'ERROR')
  expect(errors.map(({ msg }) => msg)).toEqual(['the store is away: what needs it fails until it is back'])
  expect(errors[0]?.err?.message).toMatch(/^The store can’t be reached: ./)
  const meanwhile = until.slice(until.indexOf(errors[0] as Line) + 1)
  expect(meanwhile.filter(({ err }) => err !== undefined)).toEqual([])
  expect(back.level).toBe('WARNING')
  expect(back.failures?.[request]).toBeGreaterThanOrEqual(refused)
}

const postgres = async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'tutti-outage-'))
  let server = await startBuiltInPostgres({ dataDir, durable: false })
  onTestFinished(async () => {
    await server.stop().catch(() => {})
    await rm(dataDir, { recursive: true, force: true })
  })
  return {
    env: { STORAGE: 'postgres', DATABASE_URL: server.connectionString },
    stop: () => server.stop(),
    restart: async () => {
      server = await startBuiltInPostgres({ dataDir, durable: false })
    },
  }
}

const redis = async () => {
  const server = await testRedis({ settings: { appendonly: 'yes' } })
  onTestFinished(server.stop)
  return {
    env: { STORAGE: 'redis', REDIS_URL: `unix://${server.address.socket.path}` },
    stop: async () => {
      await server.command('SHUTDOWN', 'NOSAVE').catch(() => {})
    },
    restart: () => server.restart(),
  }
}

test.each([
  ['PostgreSQL', postgres],
  ['Redis', redis],
])(
  'an orchestrators log tells once that %s is away, and once that it is back',
  { timeout: 120_000 },
  async (_, open) => {
    const store = await open()
    const port = String(await freePort())
    const server = await start('orchestrator', {
      ...{ ...store.env, API_HOST: '127.0.0.1', API_PORT: port, CLIENT_TOKEN: 'of-the-client' },
    })
    await store.stop()
    const address = `http://127.0.0.1:${port}/api/v1/jobs`
    const refused = await callUntilBack(address, { 'x-client-token': 'of-the-client' }, store.restart)
    await toldOnce(server, refused, 'request failed')
  },
)

test('a backends log tells once that PostgreSQL is away, and once that it is back', { timeout: 120_000 }, async () => {
  const store = await postgres()
  const objects = await mkdtemp(join(tmpdir(), 'tutti-outage-objects-'))
  onTestFinished(() => rm(objects, { recursive: true, force: true }))
  const port = String(await freePort())
  const server = await start('backend', {
    ...{ DATABASE_URL: store.env.DATABASE_URL, HOST: '127.0.0.1', PORT: port, OBJECTS_DIR: objects },
    ...{ INTERNAL_API_TOKEN: 'internal-token-of-tests', SECRET_KEY: 'secret-of-tests-0123456789abcdef' },
  })
  await store.stop()
  const refused = await callUntilBack(`http://127.0.0.1:${port}/api/v1/sessions`, {}, store.restart)
  await toldOnce(server, refused, 'a request failed')
})

test('object storage that is away is not told as the store, which is there', { timeout: 60_000 }, async () => {
  const s3 = await testS3()
  onTestFinished(s3.close)
  const blueprints = await mkdtemp(join(tmpdir(), 'tutti-outage-blueprints-'))
  onTestFinished(() => rm(blueprints, { recursive: true, force: true }))
  const waits = { sleep: { for: '1h', to: 'done' } }
  const document = {
    format: 'tutti/v1',
    name: 'idle',
    version: 1,
    start: 'a',
    states: { a: waits },
    ends: { done: {} },
  }
  await writeFile(join(blueprints, 'idle.json'), JSON.stringify(document))
  const { endpoint, bucket, region, accessKey, secretKey } = s3.options
  const port = String(await freePort())
  const server = await start('orchestrator', {
    ...{ STORAGE: 'memory', API_HOST: '127.0.0.1', API_PORT: port, CLIENT_TOKEN: 'of-the-client' },
    ...{ BLUEPRINTS_DIR: blueprints, S3_ENDPOINT_URL: endpoint, S3_DEFAULT_BUCKET: bucket, S3_REGION: region },
    ...{ S3_ACCESS_KEY: accessKey, S3_SECRET_KEY: secretKey },
  })
  const call = (path: string, init: RequestInit) =>
    fetch(`http://127.0.0.1:${port}/api/v1/jobs${path}`, { ...init, headers: { 'x-client-token': 'of-the-client' } })
  const created = await call('', { method: 'POST', body: JSON.stringify({ blueprint: 'idle' }) })
  const { job_id } = (await created.json()) as { job_id: string }
  await s3.stop()
  for (const name of ['a', 'b'])
    expect((await call(`/${job_id}/files/content/${name}`, { method: 'PUT', body: 'x' })).status).toBe(503)
  await vi.waitFor(() => {
    // Nor is it counted: each is told. The engine's own loops may meet it as well.
    const told = server.lines.filter(({ level, msg }) => level === 'ERROR' && msg === 'request failed')
    expect(told).toHaveLength(2)
  }, patience)
  expect(server.lines.filter(({ msg }) => msg.startsWith('the store is'))).toEqual([])
})
