import { expect, test } from 'vitest'
import { startServer, tokens } from './support/server.ts'

const olga = { 'x-avtomatika-token': tokens.olga }
const path = '/api/v1/admin/reload-workers'

test('reload-workers: for operators', async () => {
  let reloads = 0
  const server = await startServer({
    reloadWorkers: () => {
      reloads += 1
      return []
    },
  })
  expect((await server.call('POST', path)).status).toBe(403)
  expect(reloads).toBe(0)
  expect((await server.call('POST', path, undefined, olga)).body).toEqual({ status: 'worker_configs_reloaded' })
  expect(reloads).toBe(1)
})

test('reload-workers: a fault in the file is told with its line', async () => {
  const server = await startServer({
    reloadWorkers: () => [
      { source: '/etc/secret/workers.toml', line: 3, what: '[a] has no token', remedy: 'Give it one.' },
    ],
  })
  const answer = await server.call('POST', path, undefined, olga)
  expect([answer.status, answer.body.code]).toEqual([400, 'INVALID_CONFIG'])
  expect(answer.body.error).toBe('workers.toml line 3: [a] has no token. Give it one.')
})

test('reload-workers: without a file there is nothing to read', async () => {
  const server = await startServer()
  expect((await server.call('POST', path, undefined, olga)).body.error).toBe(
    'WORKERS_CONFIG_PATH is not set, cannot reload configs.',
  )
})
