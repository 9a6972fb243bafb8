/** GET /api/v1/schedules asks the manager, with the token that only the two know. */
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { silentLogger } from '@tutti/telemetry'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createStage, internalToken, type Stage } from './support/stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await createStage()
})
afterAll(() => stage.close())

const manager = async (listener: RequestListener): Promise<string> => {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
}

test('the-rules-of-the-manager-are-shown-to-users', async () => {
  const rule = {
    ...{ id: 'immediate', kind: 'interval', enabled: true, schedule_modes: ['immediate'], open: true },
    jobs: [{ job_id: 'pull-immediate', trigger: 'interval of 2 s', next_run_time: null }],
  }
  const asked: unknown[] = []
  const managerUrl = await manager((request, response) => {
    asked.push([request.url, request.headers['x-internal-token']])
    response.end(JSON.stringify({ code: 0, message: 'success', data: { enabled: true, rules: [rule] } }))
  })
  const backend = await stage.backend({ managerUrl })
  expect(await backend.get('/api/v1/schedules')).toEqual({
    ...{ status: 200, body: { code: 0, message: 'success', data: { enabled: true, rules: [rule] } } },
  })
  expect(asked).toEqual([['/api/v1/schedules', internalToken]])
})

test('a-manager-that-is-away-refuses-or-talks-nonsense-is-a-503-that-says-what-to-do', async () => {
  const addresses = [
    '',
    'http://127.0.0.1:9',
    await manager((_request, response) => response.writeHead(403).end('{}')),
    await manager((_request, response) => response.end('{"data": {"rules": 1}}')),
    await manager((_request, response) => response.writeHead(302, { location: 'http://127.0.0.1:9' }).end()),
  ]
  const logged: unknown[] = []
  const log = { ...silentLogger, error: (...said: unknown[]) => void logged.push(said) }
  for (const managerUrl of addresses) {
    const backend = await stage.backend({ managerUrl }, { log })
    expect(await backend.get('/api/v1/schedules')).toMatchObject({
      ...{ status: 503, body: { data: { code: 'MANAGER_UNAVAILABLE', retryable: true } } },
    })
  }
  // Nobody has to do anything about a manager that was never set up.
  expect(logged).toEqual([])
})
