import { request as httpRequest } from 'node:http'
import { silentLogger } from '@tutti/telemetry'
import type { Workbench } from '@tutti/workbench'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createBackend } from '../src/index.ts'
import { createStage, internalToken, type Running, read, type Stage } from './support/stage.ts'

let stage: Stage
let guarded: Running
let local: Running

const token = 'client-token'
const path = '/api/v1/sessions'
const stream = '/api/v1/ws/sessions/00000000-0000-4000-8000-000000000000'

beforeAll(async () => {
  stage = await createStage()
  guarded = await stage.backend({ host: '0.0.0.0', clientToken: token })
  local = await stage.backend({ corsOrigins: ['http://localhost:3000'] })
})
afterAll(() => stage.close())

/** fetch sets Host and Origin itself. */
const statusWith = (address: string, headers: Record<string, string>, method = 'GET'): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const request = httpRequest(address + path, { method, headers }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    request.on('error', reject)
    request.end()
  })

test('stranger-token-refused', async () => {
  expect(await guarded.get(path)).toMatchObject({
    status: 401,
    body: { code: 40100, data: { code: 'UNAUTHENTICATED' } },
  })
  for (const headers of [
    { authorization: 'Bearer wrong' },
    { authorization: `Basic ${token}` },
    { 'x-client-token': `${token}x` },
    { 'x-internal-token': internalToken },
  ])
    expect((await guarded.get(path, headers)).status).toBe(401)
  expect((await guarded.get(path, { authorization: `Bearer ${token}` })).status).toBe(200)
  expect((await guarded.get(path, { 'x-client-token': token })).status).toBe(200)
  // Also where no token is needed, a wrong one is not taken for none.
  expect((await local.get(path, { authorization: 'Bearer wrong' })).status).toBe(401)
})

test('stranger-token-refused-on-the-stream', async () => {
  const refused = read(guarded.address, stream, { 'x-client-token': 'wrong' })
  await refused.closed
  expect(refused.frames).toEqual([])
  const accepted = read(guarded.address, stream, { 'x-client-token': token })
  const [snapshot] = await accepted.until((frames) => frames.length > 0)
  expect(snapshot).toMatchObject({ type: 'session.snapshot', seq: 0, data: { status: 'not_found' } })
  accepted.socket.close()
})

test('page-of-a-stranger-is-refused', async () => {
  expect(await statusWith(local.address, { origin: 'http://evil.example' })).toBe(403)
  expect(await statusWith(local.address, { origin: 'null' })).toBe(403)
  expect(await statusWith(local.address, { origin: 'http://localhost:3000' })).toBe(200)
  expect(await statusWith(local.address, { origin: local.address })).toBe(200)
  // The page's own name leads to this machine.
  expect(await statusWith(local.address, { origin: 'http://evil.example', host: 'evil.example' })).toBe(401)
  expect(await statusWith(local.address, { host: 'evil.example' })).toBe(401)
  const preflight = { origin: 'http://localhost:3000', 'access-control-request-method': 'POST' }
  expect(await statusWith(local.address, preflight, 'OPTIONS')).toBe(204)
  const refused = read(local.address, stream, { origin: 'http://evil.example' })
  await refused.closed
  expect(refused.frames).toEqual([])
})

test('open-to-the-network-without-a-token-does-not-start', () => {
  const create = (host: string, clientToken: string | null) => () =>
    createBackend({
      workbench: {} as Workbench,
      objects: stage.objects,
      config: { host, clientToken, userId: 'default', internalToken },
      log: silentLogger,
    })
  expect(create('0.0.0.0', null)).toThrow(/CLIENT_TOKEN/)
  expect(create('192.168.0.7', null)).toThrow(/CLIENT_TOKEN/)
  expect(create('127.0.0.1', '')).toThrow(/CLIENT_TOKEN/)
})
