import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ReloadOutcome } from '@tutti/config'
import { expect, onTestFinished, test } from 'vitest'
import { startOrchestrator } from '../src/index.ts'
import { startServer, tokens, until } from './support/server.ts'

const olga = { 'x-avtomatika-token': tokens.olga }

const files = [
  ['workers', 'worker_configs_reloaded', 'WORKERS_CONFIG_PATH', 'reloadWorkers'],
  ['clients', 'client_configs_reloaded', 'CLIENTS_CONFIG_PATH', 'reloadClients'],
  ['schedules', 'schedule_configs_reloaded', 'SCHEDULES_CONFIG_PATH', 'reloadSchedules'],
] as const

test.each(files)('reload-%s: for operators, unless every client may', async (file, status, _variable, method) => {
  let reloads = 0
  const reloader = {
    [method]: async (): Promise<ReloadOutcome> => {
      reloads += 1
      return { status: 'reloaded', entries: 1 }
    },
  }
  const path = `/api/v1/admin/reload-${file}`
  const server = await startServer({ reloader })
  expect((await server.call('POST', path)).status).toBe(403)
  expect(reloads).toBe(0)
  expect((await server.call('POST', path, undefined, olga)).body).toEqual({ status })
  expect(reloads).toBe(1)
  const open = await startServer({ reloader, settings: { reloadWithAnyClient: true } })
  expect((await open.call('POST', path)).body).toEqual({ status })
})

test.each(files)('reload-%s: without a file there is nothing to read', async (file, _status, variable) => {
  const server = await startServer()
  const answer = await server.call('POST', `/api/v1/admin/reload-${file}`, undefined, olga)
  expect([answer.status, answer.body.code]).toEqual([400, 'INVALID_CONFIG'])
  expect(answer.body.error).toBe(`${variable} is not set, cannot reload configs.`)
})

test('reload: every fault in the file is told with its line and column, and the path of the file is not', async () => {
  const source = '/etc/secret/workers.toml'
  const server = await startServer({
    reloader: {
      reloadWorkers: async () => ({
        status: 'refused',
        faults: [
          { source, line: 3, column: 1, what: '[a] has no token', remedy: 'Give it one.' },
          { source, what: 'the file is not UTF-8', remedy: 'Save it so.' },
        ],
      }),
    },
  })
  const answer = await server.call('POST', '/api/v1/admin/reload-workers', undefined, olga)
  expect([answer.status, answer.body.code]).toEqual([400, 'INVALID_CONFIG'])
  expect(answer.body.error).toBe(
    'workers.toml line 3, column 1: [a] has no token. Give it one.\nworkers.toml: the file is not UTF-8. Save it so.',
  )
})

/** A server with all three files on disk. */
const startWithFiles = async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tutti-reload-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const write = (file: string, text: string): void => writeFileSync(join(folder, `${file}.toml`), text)
  write('clients', '[boss]\ntoken = "boss"\nrole = "operator"\n')
  write('workers', '[hand]\ntoken = "old"\n')
  write('schedules', '')
  const running = await startOrchestrator({
    STORAGE: 'memory',
    API_HOST: '127.0.0.1',
    API_PORT: '0',
    LOG_LEVEL: 'ERROR',
    CLIENTS_CONFIG_PATH: join(folder, 'clients.toml'),
    WORKERS_CONFIG_PATH: join(folder, 'workers.toml'),
    SCHEDULES_CONFIG_PATH: join(folder, 'schedules.toml'),
  })
  onTestFinished(running.stop)
  const post = async (path: string, headers: Record<string, string>, body?: object) => {
    const response = await fetch(`http://127.0.0.1:${running.port}${path}`, {
      method: 'POST',
      headers,
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
    return { status: response.status, body: (await response.json()) as { error?: string } }
  }
  const register = async (token: string): Promise<number> =>
    (await post('/_worker/workers/register', { 'x-worker-token': token }, { worker_id: 'hand' })).status
  const reload = (file: string, token = 'boss') => post(`/api/v1/admin/reload-${file}`, { 'x-client-token': token })
  return { write, register, reload, running }
}

test('a token that is taken out of a file stops working with the reload, and the new one works', async () => {
  const { write, register, reload } = await startWithFiles()
  expect(await register('old')).toBe(200)
  write('workers', '[hand]\ntoken = "new"\n')
  expect(await register('new')).toBe(401)
  expect((await reload('workers')).status).toBe(200)
  expect([await register('old'), await register('new')]).toEqual([401, 200])

  write('clients', '[chief]\ntoken = "chief"\nrole = "operator"\n')
  expect((await reload('clients')).status).toBe(200)
  expect((await reload('workers')).status).toBe(401)
  expect((await reload('workers', 'chief')).status).toBe(200)
})

test('a file with a fault changes nothing', async () => {
  const { write, register, reload } = await startWithFiles()
  write('workers', '[hand]\ntoken = "new"\n[other]\n')
  const workers = await reload('workers')
  expect(workers).toMatchObject({ status: 400 })
  expect(workers.body.error).toMatch(/^workers\.toml line 3, column 1: \[other\] has no token/)
  expect(await register('old')).toBe(200)

  write('clients', '[boss]\ntoken = \n')
  expect((await reload('clients')).body.error).toMatch(/^clients\.toml line 2, column \d+: not valid TOML/)
  write('schedules', '[a]\nblueprint = "nobody"\ninterval_seconds = 5\n')
  expect((await reload('schedules')).body.error).toMatch(/^schedules\.toml line 2, column 1: .*“nobody”/)
})

test('a worker may not get a client’s token by a reload either', async () => {
  const { write, reload } = await startWithFiles()
  write('workers', '[hand]\ntoken = "boss"\n')
  expect((await reload('workers')).body.error).toMatch(/the token of the client \[boss\]/)
})

test('all files can be read at once, each for itself', async () => {
  const { write, register, running } = await startWithFiles()
  write('clients', 'no TOML')
  write('workers', '[hand]\ntoken = "new"\n')
  await running.reload()
  await until(async () => (await register('new')) === 200)
})
