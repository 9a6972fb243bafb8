/** Short-lived tokens of workers. */
import { hashToken, type WorkerEntry, workerDirectory } from '@tutti/config'
import { expect, test } from 'vitest'
import { createRecords } from './support/records.ts'
import { globalWorkerToken, startServer, tokens } from './support/server.ts'

const entry = (token: string): WorkerEntry => ({
  id: 'hand-1',
  tokenHash: hashToken(token),
  description: '',
  secret: null,
})

const signedIn = async () => {
  const records = createRecords()
  const workers = workerDirectory({ workers: [entry(tokens.hand)], globalToken: globalWorkerToken })
  const server = await startServer({ parts: { records, workers } })
  const asHand = { 'x-worker-token': tokens.hand, 'x-worker-id': 'hand-1' }
  const { status, body } = await server.work('POST', '/auth/token', undefined, asHand)
  expect(status).toBe(200)
  const register = (token: string, worker_id = 'hand-1') =>
    server.work('POST', '/workers/register', { worker_id, supported_skills: ['a'] }, { 'x-worker-token': token })
  const refresh = (refresh_token: string, headers: Record<string, string> = {}) =>
    server.work('POST', '/auth/token/refresh', { refresh_token }, headers)
  return { server, records, workers, first: body, register, refresh, asHand }
}

test('a worker signs in, and its access token opens everything that is its own', async () => {
  const { server, records, first, register } = await signedIn()
  expect(first).toEqual({
    access_token: expect.any(String),
    refresh_token: expect.any(String),
    expires_in: 3600,
    worker_id: 'hand-1',
  })
  // Whoever reads the database learns no token from it.
  const kept = JSON.stringify([...records.all.values()])
  for (const token of [first.access_token, first.refresh_token, tokens.hand]) expect(kept).not.toContain(token)

  expect((await register(first.access_token)).status).toBe(200)
  const own = { 'x-worker-token': first.access_token }
  expect((await server.work('GET', '/workers/hand-1/tasks/next?timeout=0', undefined, own)).status).toBe(204)
  expect((await server.work('PATCH', '/workers/hand-1', undefined, own)).status).toBe(200)

  const stranger = await register(first.access_token, 'hand-2')
  expect([stranger.status, stranger.body.code]).toEqual([403, 'WORKER_MISMATCH'])
  expect((await server.work('GET', '/workers/hand-2/tasks/next', undefined, own)).status).toBe(403)
  expect((await register(first.refresh_token)).status, 'a refresh token is no access token').toBe(401)
  expect((await register('wat_guessed')).status).toBe(401)
})

test('an-access-token-is-no-way-to-more: it can’t sign in, and it ends', async () => {
  const { server, records, first, register } = await signedIn()
  const again = await server.work('POST', '/auth/token', undefined, { 'x-worker-token': first.access_token })
  expect(again.status).toBe(401)
  records.clock.ms += 3_600_000
  const late = await register(first.access_token)
  expect([late.status, late.body.code]).toEqual([401, 'UNAUTHENTICATED'])
})

test('a refresh brings the next pair, to its own worker only', async () => {
  const { records, first, register, refresh } = await signedIn()
  expect((await refresh(first.refresh_token, { 'x-worker-id': 'hand-2' })).status).toBe(401)
  records.clock.ms += 3_600_000
  const next = await refresh(first.refresh_token, { 'x-worker-id': 'hand-1', 'x-worker-token': first.access_token })
  expect([next.status, next.body.worker_id]).toEqual([200, 'hand-1'])
  expect((await register(next.body.access_token)).status).toBe(200)
  records.clock.ms += 86_400_000
  expect((await refresh(next.body.refresh_token)).status, 'a day later').toBe(401)
})

test('refresh-token-comes-twice: one of the two has stolen it, and all that stems from that sign-in ends', async () => {
  const { server, first, register, refresh, asHand } = await signedIn()
  const other = (await server.work('POST', '/auth/token', undefined, asHand)).body
  const next = (await refresh(first.refresh_token)).body
  expect((await refresh(first.refresh_token)).status).toBe(401)
  for (const token of [first.access_token, next.access_token]) expect((await register(token)).status).toBe(401)
  expect((await refresh(next.refresh_token)).status).toBe(401)
  // Another sign-in is another family.
  expect((await register(other.access_token)).status).toBe(200)
})

test('refresh-token-comes-twice-at-once: nobody keeps anything', async () => {
  const { first, register, refresh } = await signedIn()
  const answers = await Promise.all([1, 2, 3].map(() => refresh(first.refresh_token)))
  expect(answers.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1)
  for (const { body } of answers)
    if (body.access_token !== undefined) expect((await register(body.access_token)).status).toBe(401)
})

test('worker-token-is-replaced: what was made from the old one ends with it', async () => {
  const { workers, first, register, refresh } = await signedIn()
  workers.replace([entry('another')])
  expect((await register(first.access_token)).status).toBe(401)
  expect((await refresh(first.refresh_token)).status).toBe(401)
})

test('signing in takes a worker id and a good token', async () => {
  const { server } = await signedIn()
  const signIn = async (headers: Record<string, string>) =>
    (await server.work('POST', '/auth/token', undefined, headers)).status
  expect(await signIn({})).toBe(400)
  expect(await signIn({ 'x-worker-id': 'hand-2' })).toBe(200)
  expect(await signIn({ 'x-worker-id': 'hand-1' }), 'the global token of one with its own').toBe(401)
  expect(await signIn({ 'x-worker-id': 'hand-2', 'x-worker-token': 'guessed' })).toBe(401)
})
