/** Short-lived tokens, seen from outside. */
import { expect, test } from 'vitest'
import { openWire, serveThisFile } from './support/server.ts'

serveThisFile()

test('sign in, work, refresh; a refresh token that comes again ends them all', async () => {
  const { worker, own } = await openWire()
  const asMyself = { 'x-worker-token': own.token, 'x-worker-id': own.id }
  const { status, body: first } = await worker('POST', '/auth/token', undefined, asMyself)
  expect([status, first]).toEqual([
    200,
    {
      access_token: expect.any(String),
      refresh_token: expect.any(String),
      expires_in: expect.any(Number),
      worker_id: own.id,
    },
  ])
  const register = async (token: string, worker_id = own.id) =>
    (await worker('POST', '/workers/register', { worker_id }, { 'x-worker-token': token })).status
  expect(await register(first.access_token)).toBe(200)
  expect(await register(first.access_token, 'another')).toBe(403)
  const refresh = (refresh_token: string) =>
    worker('POST', '/auth/token/refresh', { refresh_token }, { 'x-worker-id': own.id })
  const { body: next } = await refresh(first.refresh_token)
  expect(await register(next.access_token)).toBe(200)
  expect((await refresh(first.refresh_token)).status).toBe(401)
  expect(await register(next.access_token)).toBe(401)
  expect((await refresh('guessed')).status).toBe(401)
})
