/** Starts that can't succeed, and processes that are told to stop or to read their files again. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { testS3 } from '@tutti/objects/testing'
import { freePort, testDatabase, testRedis } from '@tutti/stores/testing'
import { expect, onTestFinished, test } from 'vitest'
import { receiver } from '../configuration/jobs.ts'
import { caller, file, start, until } from '../configuration/server.ts'

const program = fileURLToPath(new URL('start-alone.ts', import.meta.url))
const base = { STORAGE: 'memory', API_HOST: '127.0.0.1', API_PORT: '0', LOG_LEVEL: 'ERROR', TUTTI_ENV: 'development' }

/** How a process ends that does nothing but start. */
const startAlone = async (env: Record<string, string>): Promise<{ code: number | null; said: string }> => {
  const child = spawn(process.execPath, [program], { env: { ...base, ...env }, stdio: ['ignore', 'inherit', 'pipe'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')])
  return { code, said }
}

/** Everything that a start can open before it fails. */
const everything = async () => {
  const redis = await testRedis({ port: true })
  onTestFinished(redis.stop)
  const s3 = await testS3()
  onTestFinished(s3.close)
  const { connectionString, drop } = await testDatabase()
  onTestFinished(drop)
  const { endpoint, accessKey, secretKey, bucket } = s3.options
  const { url } = await receiver()
  return {
    STORAGE: 'redis',
    REDIS_HOST: '127.0.0.1',
    REDIS_PORT: String(redis.port),
    S3_ENDPOINT_URL: endpoint,
    S3_ACCESS_KEY: accessKey,
    S3_SECRET_KEY: secretKey,
    S3_DEFAULT_BUCKET: bucket,
    HISTORY_DATABASE_URI: connectionString,
    HISTORY_RETENTION_DAYS: '1',
    OTEL_EXPORTER_OTLP_ENDPOINT: url,
    BLUEPRINTS_DIR: dirname(file('note.txt', '')),
    TASK_FILES_DIR: dirname(file('note.txt', '')),
  }
}

const timeout = 30_000

test('a port that is taken: the variable is named, and whatever was opened by then is closed', {
  timeout,
}, async () => {
  const env = await everything()
  const holder = createServer().listen(0, '127.0.0.1')
  await once(holder, 'listening')
  onTestFinished(() => void holder.close())
  const port = String((holder.address() as AddressInfo).port)
  const { code, said } = await startAlone({ ...env, API_PORT: port })
  expect(said).toMatch(new RegExp(`API_PORT=${port} can't be used: .*EADDRINUSE.*→ Choose another port`))
  expect(code).toBe(2)
})

test('with all of it open a stop leaves nothing behind: the process ends by itself', { timeout }, async () => {
  expect(await startAlone(await everything())).toEqual({ code: 0, said: '' })
})

test('an address that is not of this machine', { timeout }, async () => {
  const { code, said } = await startAlone({ API_HOST: '192.0.2.1' })
  expect([code, said]).toEqual([2, expect.stringContaining("API_HOST=192.0.2.1 can't be used")])
})

const away = async (): Promise<string> => String(await freePort())

test.each([
  [
    'Redis',
    async () => ({ STORAGE: 'redis', REDIS_HOST: '127.0.0.1', REDIS_PORT: await away() }),
    1,
    /Redis at 127\.0\.0\.1:\d+ can't be used: .*Start it, or correct REDIS_HOST/,
  ],
  [
    'PostgreSQL',
    async () => ({ STORAGE: 'postgres', DATABASE_URL: `postgresql://a:pa55word@127.0.0.1:${await away()}/d` }),
    1,
    /DATABASE_URL can't be used: .*ECONNREFUSED.*Start it, or correct DATABASE_URL/,
  ],
  [
    'S3',
    async () => ({
      S3_ENDPOINT_URL: `http://127.0.0.1:${await away()}`,
      S3_ACCESS_KEY: 'a',
      S3_SECRET_KEY: 'pa55word',
    }),
    2,
    /Correct the S3_\* variables/,
  ],
  [
    'the archive’s PostgreSQL',
    async () => ({ HISTORY_DATABASE_URI: `postgresql://a:pa55word@127.0.0.1:${await away()}/d` }),
    2,
    /HISTORY_DATABASE_URI can't be used, its PostgreSQL refuses: .*ECONNREFUSED.*→ Correct it/,
  ],
])('%s is away: that is told without its password, and nothing goes on running', { timeout }, async (...given) => {
  const [, env, exitCode, what] = given
  const { code, said } = await startAlone(await env())
  expect(said.replaceAll('\n', ' ')).toMatch(what)
  expect(said).not.toContain('pa55word')
  expect(code).toBe(exitCode)
})

test('an archive that is no database', { timeout }, async () => {
  const path = file('history.db', 'these are the notes of last summer, and no database at all'.repeat(50))
  const { code, said } = await startAlone({ HISTORY_DATABASE_URI: `sqlite://${path}` })
  expect(said).toMatch(/HISTORY_DATABASE_URI can't be used, the file .*history\.db refuses: .*not a database/)
  expect(code).toBe(2)
})

test('an archive where a folder is', { timeout }, async () => {
  const { code, said } = await startAlone({ HISTORY_DATABASE_URI: `sqlite://${dirname(file('a', ''))}` })
  expect([code, said]).toEqual([2, expect.stringContaining('HISTORY_DATABASE_URI')])
})

test('SIGHUP: clients, workers and schedules are read again, each for itself', { timeout }, async () => {
  const clients = file('clients.toml', '[anna]\ntoken = "old"\n')
  const workers = join(dirname(clients), 'workers.toml')
  const schedules = join(dirname(clients), 'schedules.toml')
  writeFileSync(workers, '[hand]\ntoken = "old-hand"\n')
  writeFileSync(schedules, '')
  const engine = import.meta.resolve('@tutti/engine')
  const blueprints = dirname(
    file(
      'nightly.ts',
      `import { blueprint } from ${JSON.stringify(engine)}
export default blueprint({ name: 'nightly' }).state('a', { start: true, to: ['b'] }, ({ goTo }) => goTo('b')).end('b')`,
    ),
  )
  const port = await freePort()
  const child = await start(port, {
    CLIENTS_CONFIG_PATH: clients,
    WORKERS_CONFIG_PATH: workers,
    SCHEDULES_CONFIG_PATH: schedules,
    BLUEPRINTS_DIR: blueprints,
  })
  const server = caller(`http://127.0.0.1:${port}`)
  const status = async (token: string): Promise<number> =>
    (await server.get('/api/v1/jobs', { 'x-client-token': token })).status
  const register = async (token: string): Promise<number> =>
    (await server.post('/_worker/workers/register', { worker_id: 'hand' }, { 'x-worker-token': token })).status
  expect([await status('old'), await register('old-hand')]).toEqual([200, 200])

  writeFileSync(clients, '[anna]\ntoken = "new"\n')
  writeFileSync(workers, '[hand]\n')
  writeFileSync(schedules, '[soon]\nblueprint = "nightly"\nclient = "anna"\ninterval_seconds = 1\n')
  child.kill('SIGHUP')
  await until(async () => (await status('new')) === 200)
  expect(await status('old')).toBe(401)
  // Its file has a fault: what was before holds on, and the others are taken all the same.
  expect(await register('old-hand')).toBe(200)
  const list = await until(async () => {
    const { body } = await server.get('/api/v1/schedules', { 'x-client-token': 'new' })
    return body.length > 0 && body
  })
  expect(list).toEqual([expect.objectContaining({ name: 'soon', source: 'file' })])
  await until(async () => {
    const { body } = await server.get('/api/v1/jobs?blueprint=nightly', { 'x-client-token': 'new' })
    return body.items.length > 0
  })
  child.kill('SIGTERM')
  expect(await once(child, 'exit')).toEqual([0, null])
  expect(child.stdout && (await text(child.stdout))).not.toContain('still open')
})
