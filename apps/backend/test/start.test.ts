import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ConfigError } from '@tutti/config'
import { blueprint, createEngine } from '@tutti/engine'
import { createS3Objects } from '@tutti/objects'
import { testS3 } from '@tutti/objects/testing'
import { offloading, openStore } from '@tutti/stores'
import { freePort, type TestDatabase, testDatabase } from '@tutti/stores/testing'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { startBackend } from '../src/index.ts'

let database: TestDatabase
let folder: string

beforeAll(async () => {
  database = await testDatabase()
  folder = await mkdtemp(join(tmpdir(), 'tutti-backend-'))
})
afterAll(async () => {
  await database.drop()
  await rm(folder, { recursive: true, force: true })
})

const environment = () => ({
  HOST: '127.0.0.1',
  PORT: '0',
  DATABASE_URL: database.connectionString,
  INTERNAL_API_TOKEN: 'internal-token-of-tests',
  SECRET_KEY: 'secret-of-tests-0123456789abcdef',
  OBJECTS_DIR: folder,
  LOG_LEVEL: 'ERROR',
})

test('two-backends-start-from-their-environment-and-share-the-queue', async () => {
  const [one, two] = await Promise.all([startBackend(environment()), startBackend(environment())])
  const post = async (port: number, path: string, body: object) => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-internal-token': 'internal-token-of-tests' },
      body: JSON.stringify(body),
    })
    return (await response.json()) as { code: number; data: Record<string, unknown> }
  }
  const claiming = post(two.port, '/runs/claim', { worker_id: 'm', boot_id: 'b', wait_seconds: 30 })
  const { data: created } = await post(one.port, '/tasks', { prompt: 'hello' })
  const { data: run } = await claiming
  expect(run).toMatchObject({ run_id: created.run_id, attempt: 1 })
  const holder = { worker_id: 'm', lease_token: run.lease_token, attempt: 1 }
  const finished = await post(one.port, `/runs/${run.run_id}/finish`, { ...holder, outcome: 'completed' })
  expect(finished).toMatchObject({ code: 0, data: { status: 'completed' } })
  await Promise.all([one.stop(), two.stop()])
})

test('the-prompt-of-an-agent-that-lies-in-S3-is-brought-back-for-its-manager', async () => {
  const s3 = await testS3()
  const { endpoint, bucket, region, accessKey, secretKey } = s3.options
  const backend = await startBackend({
    ...environment(),
    S3_ENDPOINT_URL: endpoint,
    S3_DEFAULT_BUCKET: bucket,
    S3_REGION: region,
    S3_ACCESS_KEY: accessKey,
    S3_SECRET_KEY: secretKey,
  })
  // Another process of the same installation, whose blueprint asks for an agent.
  const payloads = createS3Objects(s3.options)
  const store = await openStore(
    { kind: 'postgres', connectionString: database.connectionString },
    { instance: 'other', onWarning: () => {}, onError: () => {} },
  )
  const prompt = 'word '.repeat(1_000)
  const engine = createEngine({
    store: offloading(store, { payloads, thresholdBytes: 100, onError: () => {} }),
    blueprints: [
      blueprint({ name: 'asking', version: 1 })
        .state('ask', { start: true, to: ['done'] }, ({ agent }) => agent({ prompt, on: { success: 'done' } }))
        .end('done'),
    ],
  })
  engine.start()
  await engine.create([{ blueprint: 'asking', client: 'default', input: {} }])
  const response = await fetch(`http://127.0.0.1:${backend.port}/api/v1/runs/claim`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-internal-token': 'internal-token-of-tests' },
    body: JSON.stringify({ worker_id: 'm', boot_id: 'c', wait_seconds: 30 }),
  })
  expect((await payloads.list('')).objects).not.toEqual([])
  expect(await response.json()).toMatchObject({ code: 0, data: { prompt } })
  await engine.stop()
  await store.close()
  await backend.stop()
  payloads.close()
  await s3.close()
})

test('every-fault-of-the-environment-is-told', async () => {
  await expect(startBackend({})).rejects.toThrow(ConfigError)
  await expect(startBackend({ ...environment(), HOST: '0.0.0.0' })).rejects.toThrow(/CLIENT_TOKEN/)
  await expect(startBackend({ ...environment(), CORS_ORIGINS: 'localhost' })).rejects.toThrow(/JSON array/)
})

test('start-waits-for-a-database-and-a-bucket-that-are-away-and-tells-for-which', async () => {
  const s3 = await testS3()
  await s3.stop()
  const { endpoint, bucket, region, accessKey, secretKey } = s3.options
  const [port, databasePort] = [await freePort(), await freePort()]
  // Over TCP, so that it can come later.
  const real = new URL(database.connectionString)
  const socket = join(real.searchParams.get('host') ?? '', '.s.PGSQL.5432')
  const DATABASE_URL = `postgresql://tutti@127.0.0.1:${databasePort}${real.pathname}`
  const env = {
    ...{ ...environment(), PORT: String(port), DATABASE_URL, START_WAIT_SECONDS: '60' },
    ...{ S3_ENDPOINT: endpoint, S3_BUCKET: bucket, S3_REGION: region },
    ...{ S3_ACCESS_KEY: accessKey, S3_SECRET_KEY: secretKey },
  }
  // A person who starts it in a terminal is told at once.
  await expect(startBackend(env)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  const starting = startBackend(env, { waits: true })
  const health = async () => {
    const response = await fetch(`http://127.0.0.1:${port}/health`)
    const { data } = (await response.json()) as { data: { waiting_for?: string } }
    return [response.status, data.waiting_for]
  }
  const told = (expected: unknown) => vi.waitFor(async () => expect(await health()).toEqual(expected), 20_000)
  await told([503, 'PostgreSQL'])
  const way = createServer((near) => {
    const far = connect(socket)
    near.pipe(far).pipe(near)
    for (const end of [near, far]) end.on('error', () => end.destroy())
  }).listen(databasePort, '127.0.0.1')
  await told([503, 'the object store'])
  await s3.restart()
  const backend = await starting
  await told([200, undefined])
  await backend.stop()
  way.close()
  await s3.close()
}, 60_000)

test('start-that-has-waited-for-so-long-fails-with-what-is-away', async () => {
  const DATABASE_URL = `postgres://nobody@127.0.0.1:${await freePort()}/nothing`
  const began = performance.now()
  const env = { ...environment(), DATABASE_URL, START_WAIT_SECONDS: '1' }
  await expect(startBackend(env, { waits: true })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  expect(performance.now() - began).toBeGreaterThan(990)
})
