import type { ClaimedRun } from '@tutti/contracts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { claimNew, createStage, holder, internalToken, type Running, type Stage } from './support/stage.ts'

let stage: Stage
let backend: Running

beforeAll(async () => {
  stage = await createStage()
  backend = await stage.backend()
})
afterAll(() => stage.close())

const asManager = { 'x-internal-token': internalToken }
const unknown = '00000000-0000-4000-8000-000000000000'

test('a-session-without-a-message-gets-its-settings-now-and-its-title-from-the-first-one', async () => {
  const { data } = (await backend.post('/api/v1/sessions', { config: { max_turns: 3 } })).body
  expect(data).toMatchObject({ status: 'pending', title: null, config_snapshot: { max_turns: 3 }, seq: 0 })
  const { session_id } = data as { session_id: string }
  await backend.post('/api/v1/tasks', { prompt: 'Count the stars\nall of them', session_id })
  const asked = { worker_id: 'manager-1', boot_id: 'boot-1', lease_seconds: 60, wait_seconds: 20 }
  const run = (await backend.manage('/claim', asked)).body.data as unknown as ClaimedRun
  expect(run).toMatchObject({ session_id, options: { max_turns: 3 } })
  const session = `/api/v1/sessions/${session_id}`
  expect((await backend.get(session)).body.data).toMatchObject({ title: 'Count the stars' })
  expect(await stage.database.query('select title_wanted from workbench.sessions where id = $1', [session_id])).toEqual(
    [{ title_wanted: true }],
  )
  await backend.manage(`/${run.run_id}/finish`, { ...holder(run), outcome: 'completed' })
  // One that its user took away stays away.
  await backend.send('PATCH', session, { title: null })
  await backend.post('/api/v1/tasks', { prompt: 'and again', session_id })
  expect((await backend.get(session)).body.data).toMatchObject({ title: null })
  const again = (await backend.manage('/claim', asked)).body.data as unknown as ClaimedRun
  await backend.manage(`/${again.run_id}/finish`, { ...holder(again), outcome: 'completed' })

  expect(await backend.post('/api/v1/sessions', { project_id: unknown })).toMatchObject({ status: 404 })
  expect(await backend.post('/api/v1/sessions', { title: 'mine' })).toMatchObject({ status: 400 })
})

test('the-one-user-is-known-without-a-log-in, and who-may-not-call-is-not-told', async () => {
  const closed = await stage.backend({ clientToken: 'client-token' })
  expect((await closed.get('/api/v1/auth/config')).body.data).toMatchObject({
    ...{ mode: 'single_user', login_required: false, single_user_effective: true, setup_required: false },
  })
  expect((await closed.get('/api/v1/filesystem/support')).body.data).toMatchObject({ local_mount_available: false })
  const wrong = { authorization: 'Bearer another' }
  expect((await closed.get('/api/v1/auth/me', wrong)).status).toBe(401)
  expect((await closed.post('/api/v1/auth/logout', {}, wrong)).status).toBe(401)
  const token = { authorization: 'Bearer client-token' }
  expect((await closed.get('/api/v1/auth/me', token)).body.data).toMatchObject({ id: 'default' })
  expect((await closed.post('/api/v1/auth/logout', {}, token)).body.data).toEqual({ ok: true })
})

test('a-trace-is-carried-on, and a harmful one is not', async () => {
  const ids = async (headers: Record<string, string>) => {
    const response = await fetch(`${backend.address}/health`, { headers })
    return [response.headers.get('x-request-id'), response.headers.get('x-trace-id')]
  }
  expect(await ids({ 'x-request-id': 'r-1', 'x-trace-id': 't-1' })).toEqual(['r-1', 't-1'])
  const [request, trace] = await ids({ 'x-trace-id': 'two words' })
  expect(trace).toBe(request)
})

test('internal-sessions-and-requests-are-for-who-has-the-internal-token', async () => {
  const run = await claimNew(backend)
  const request = {
    type: 'request',
    kind: 'question',
    tool_use_id: 'q1',
    tool_name: 'AskUserQuestion',
    input: { questions: [] },
  }
  const usage = { input_tokens: 1, output_tokens: 1, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 }
  const parked = {
    type: 'parked',
    reason: 'input',
    until: null,
    agent_session_id: 's',
    turns: 1,
    usage,
    cost_usd: 0,
    duration_ms: 1,
  }
  const events = [request, parked].map((event, at) => ({ n: at + 1, at: 0, event }))
  expect((await backend.manage(`/${run.run_id}/events`, { ...holder(run), events })).status).toBe(200)
  const [asked] = (await backend.get('/api/v1/user-input-requests')).body.data as { id: string }[]
  const paths = [`sessions/${run.session_id}`, `sessions/${run.session_id}/state`, `user-input-requests/${asked?.id}`]
  for (const path of paths) {
    expect((await backend.get(`/api/v1/internal/${path}`)).status).toBe(403)
    expect((await backend.get(`/api/v1/internal/${path}`, asManager)).body.data).toMatchObject({
      session_id: run.session_id,
    })
  }
  await stage.database.query(`update workbench.user_input_requests set expires_at = now() - interval '1 second'`)
  expect((await backend.get(`/api/v1/internal/${paths[2]}`, asManager)).body.data).toMatchObject({ status: 'expired' })
  expect(await backend.get(`/api/v1/internal/user-input-requests/${unknown}`, asManager)).toMatchObject({ status: 404 })
  expect((await backend.post('/api/v1/internal/sessions', {})).status).toBe(403)
  expect((await backend.post('/api/v1/internal/sessions', {}, asManager)).body.data).toMatchObject({
    status: 'pending',
  })
})
