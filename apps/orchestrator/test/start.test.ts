import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text as readAll } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { ConfigError } from '@tutti/config'
import { blueprint } from '@tutti/engine'
import { freePort } from '@tutti/stores/testing'
import { expect, onTestFinished, test } from 'vitest'
import { loadBlueprints } from '../src/configuration.ts'
import { startOrchestrator } from '../src/index.ts'
import { startServer, tokens } from './support/server.ts'

const engine = import.meta.resolve('@tutti/engine')
const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))

const start = (env: Record<string, string>) => {
  const child = spawn(process.execPath, [main], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

const folder = async (files: Record<string, string>): Promise<string> => {
  const path = await mkdtemp(join(tmpdir(), 'blueprints-'))
  onTestFinished(() => rm(path, { recursive: true }))
  for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text)
  return path
}

const module = (body: string): string => `import { blueprint } from ${JSON.stringify(engine)}\n${body}\n`
const simple = (name: string): string =>
  `blueprint({ name: '${name}' }).state('a', { start: true, to: ['b'] }, ({ goTo }) => goTo('b')).end('b')`

test('blueprints-are-found: the default export, named ones, and nothing else', async () => {
  const path = await folder({
    'one.ts': module(`const one: object = ${simple('one')}\nexport default one\nexport { one }`),
    'two.js': module(
      `export const two = ${simple('two')}\nexport const three = ${simple('three')}\nexport const n = 1`,
    ),
    'helper.ts': 'export const help = (): number => 1',
    'one.test.ts': 'throw new Error("a test is no blueprint")',
    'types.d.ts': 'not even code',
    'readme.md': '# no code',
  })
  expect((await loadBlueprints(path)).map(({ name }) => name).sort()).toEqual(['one', 'three', 'two'])
})

test('every file that can’t be loaded is named', async () => {
  const path = await folder({
    'broken.ts': 'export default (',
    'throws.ts': 'throw new Error("no database")',
    'good.ts': module(`export default ${simple('good')}`),
  })
  await expect(loadBlueprints(path)).rejects.toThrow(/broken\.ts(:\d+)?: .+\n.*throws\.ts:1: no database$/)
  await expect(loadBlueprints(join(path, 'nowhere'))).rejects.toThrow(/nowhere/)
})

test('a start with faults tells all of them, and exits with 2', async () => {
  const path = await folder({
    'dangling.ts': module(
      `export default blueprint({ name: 'x' }).state('a', { start: true, to: ['nowhere'] }, () => {}).end('b')`,
    ),
  })
  const error = await startOrchestrator({ BLUEPRINTS_DIR: path, LOG_LEVEL: 'ERROR' }).catch((each: unknown) => each)
  expect(error).toBeInstanceOf(ConfigError)
  const { message, exitCode } = error as ConfigError
  expect(exitCode).toBe(2)
  expect(message).toContain('which is not declared')
  expect(message).toContain('tutti up')
  const variables = await startOrchestrator({ API_PORT: 'many', STORAGE: 'tape' }).catch((each: unknown) => each)
  expect((variables as ConfigError).faults).toHaveLength(2)
})

test('the process runs from its environment alone, answers, and ends when it is told to', async () => {
  const path = await folder({ 'one.ts': module(`export default ${simple('one')}`) })
  const port = await freePort()
  const child = start({
    API_HOST: '127.0.0.1',
    API_PORT: String(port),
    STORAGE: 'memory',
    BLUEPRINTS_DIR: path,
    CLIENT_TOKEN: 'of-the-client',
  })
  for await (const line of createInterface(child.stdout)) if (line.includes('listens')) break
  const response = await fetch(`http://127.0.0.1:${port}/api/v1/jobs`, {
    method: 'POST',
    headers: { 'x-client-token': 'of-the-client' },
    body: JSON.stringify({ blueprint: 'one' }),
  })
  expect(response.status).toBe(202)
  child.kill('SIGTERM')
  expect(await once(child, 'exit')).toEqual([0, null])
})

test('SIGHUP makes the process read its files again, and a fault in one does not end it', async () => {
  const path = await folder({ 'workers.toml': '[hand]\ntoken = "old"\n' })
  const port = await freePort()
  const child = start({
    API_HOST: '127.0.0.1',
    API_PORT: String(port),
    STORAGE: 'memory',
    WORKERS_CONFIG_PATH: join(path, 'workers.toml'),
  })
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const says = async (text: string): Promise<string> => {
    for (;;) {
      const { value, done } = await lines.next()
      if (done) throw new Error(`it ended without saying “${text}”`)
      if (value.includes(text)) return value
    }
  }
  const register = async (token: string): Promise<number> => {
    const response = await fetch(`http://127.0.0.1:${port}/_worker/workers/register`, {
      method: 'POST',
      headers: { 'x-worker-token': token },
      body: JSON.stringify({ worker_id: 'hand' }),
    })
    return response.status
  }
  await says('listens')
  await writeFile(join(path, 'workers.toml'), '[hand]\ntoken = "new"\n')
  child.kill('SIGHUP')
  await says('reloaded')
  expect([await register('old'), await register('new')]).toEqual([401, 200])
  await writeFile(join(path, 'workers.toml'), '[hand]\n')
  child.kill('SIGHUP')
  expect(await says('not reloaded')).toContain('workers.toml:1:1  [hand] has no token')
  expect(await register('new')).toBe(200)
})

test('the process ends with 2 and its faults where it can’t be configured', async () => {
  const child = start({ STORAGE: 'tape', API_PORT: 'many' })
  const [text, [code]] = await Promise.all([readAll(child.stderr), once(child, 'exit')])
  expect(code).toBe(2)
  expect(text).toContain('STORAGE')
  expect(text).toContain('API_PORT')
})

test('an endpoint that the API has itself, or that the router would misread, stops the start', async () => {
  const at = (endpoint: string) =>
    blueprint({ name: 'x', endpoint })
      .state('a', { start: true, to: ['b'] }, ({ goTo }) => goTo('b'))
      .end('b')
  await expect(startServer({ blueprints: [at('/jobs/batch')] })).rejects.toThrow(/taken by the API itself/)
  for (const endpoint of ['/a/:id', '/a*', '/', '/a//b'])
    await expect(startServer({ blueprints: [at(endpoint)] })).rejects.toThrow(/may hold only/)
  const server = await startServer({ blueprints: [at('no/slash')] })
  expect((await server.call('POST', '/api/no/slash', {}, { 'x-client-token': tokens.anna })).status).toBe(202)
})

test('a blueprint that comes while the server runs has its endpoint at once, and loses it when it goes', async () => {
  const server = await startServer({ blueprints: [] })
  const anna = { 'x-client-token': tokens.anna }
  expect((await server.call('POST', '/api/v1/late/comer', {}, anna)).status).toBe(404)
  const late = blueprint({ name: 'late', endpoint: '/late/comer' })
    .state('a', { start: true, to: ['b'] }, ({ goTo }) => goTo('b'))
    .end('b')
  server.engine.blueprints.replace('dir', [late])
  expect((await server.call('POST', '/api/v1/late/comer', { any: 'thing' }, anna)).status).toBe(202)
  expect((await server.call('POST', '/api/late/comer/', {}, anna)).status).toBe(202)
  expect((await server.call('POST', '/api/v1/late/comer', {}, { 'x-avtomatika-token': 'of-nobody' })).status).toBe(401)
  expect(() => server.engine.blueprints.add('api', { ...late, name: 'odd', endpoint: '/a/:id' })).toThrow(
    /may hold only/,
  )
  server.engine.blueprints.replace('dir', [])
  expect((await server.call('POST', '/api/v1/late/comer', {}, anna)).status).toBe(404)
})
