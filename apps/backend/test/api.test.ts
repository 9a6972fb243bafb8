import { screenshotKey } from '@tutti/contracts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { endWithFiles } from './support/snapshot.ts'
import { claimNew, createStage, holder, internalToken, type Running, type Stage } from './support/stage.ts'

let stage: Stage
let backend: Running

beforeAll(async () => {
  stage = await createStage()
  backend = await stage.backend()
})
afterAll(() => stage.close())

test('a-run-from-message-to-file', async () => {
  const run = await claimNew(backend, 'write a file')
  const path = `/${run.run_id}`
  await backend.manage(`${path}/start`, { ...holder(run), model: 'm-1', sandbox: 'test' })
  const events = [
    { n: 1, at: 0, event: { type: 'started', agent_session_id: 's', model: 'm-1', tools: [] } },
    {
      n: 2,
      at: 0,
      event: { type: 'message', role: 'assistant', blocks: [{ type: 'text', text: 'ok' }], parent_tool_use_id: null },
    },
  ]
  expect(await backend.manage(`${path}/events`, { ...holder(run), events })).toEqual({
    status: 200,
    body: { code: 0, message: 'success', data: { received: 2 } },
  })
  expect(await backend.manage(`${path}/renew`, { ...holder(run), lease_seconds: 60 })).toMatchObject({
    body: { data: { held: true, cancel: false, commands: [] } },
  })
  await endWithFiles(stage, backend, run, { 'a b.txt': 'hello' })

  const session = `/api/v1/sessions/${run.session_id}`
  expect((await backend.get(session)).body.data).toMatchObject({ status: 'completed', sdk_session_id: 's' })
  expect((await backend.get('/api/v1/sessions')).body.data).toMatchObject([{ session_id: run.session_id }])
  expect((await backend.get(`/api/v1/runs${path}`)).body.data).toMatchObject({
    ...{ status: 'completed', attempts: 1, workspace_export_status: 'ready' },
  })
  expect((await backend.get(`/api/v1/runs/session/${run.session_id}`)).body.data).toMatchObject([
    { run_id: run.run_id },
  ])
  expect((await backend.get(`${session}/messages`)).body.data).toMatchObject([{ role: 'user' }, { role: 'assistant' }])
  const delta = (await backend.get(`${session}/messages/delta?limit=1`)).body.data as Record<string, unknown>
  expect(delta).toMatchObject({ items: [{ role: 'user' }], has_more: true })
  const rest = await backend.get(`${session}/messages/delta?after_message_id=${delta.next_after_message_id}`)
  expect(rest.body.data).toMatchObject({ items: [{ role: 'assistant' }], has_more: false })
  expect((await backend.get(`${session}/tool-executions`)).body.data).toEqual([])
  const log = (await backend.get(`${session}/events?since=1`)).body.data as { items: { seq: number }[] }
  expect(log.items[0]?.seq).toBe(2)

  const [file] = (await backend.get(`${session}/workspace/files`)).body.data as { url: string; path: string }[]
  expect(file?.path).toBe('/a b.txt')
  const url = new URL(file?.url ?? '')
  const fetched = await fetch(backend.address + url.pathname + url.search)
  expect(await fetched.text()).toBe('hello')
  const head = await fetch(backend.address + url.pathname + url.search, { method: 'HEAD' })
  expect(head.headers.get('content-length')).toBe('5')
  url.searchParams.set('signature', 'AAAA')
  expect(await backend.get(url.pathname + url.search)).toMatchObject({
    status: 403,
    body: { code: 40300, data: { code: 'FORBIDDEN' } },
  })
})

test('faults-are-told-in-the-envelope', async () => {
  expect(await backend.post('/api/v1/tasks', { prompt: 'x', config: { max_turns: 0 } })).toMatchObject({
    status: 400,
    body: { code: 40000, data: { code: 'INVALID_BODY', path: 'body.config.max_turns' } },
  })
  expect(await backend.post('/api/v1/tasks', { prompt: '  ' })).toMatchObject({
    body: { data: { path: 'body.prompt' } },
  })
  expect(await backend.get('/api/v1/sessions?limit=nine')).toMatchObject({
    status: 400,
    body: { data: { code: 'INVALID_QUERY', path: 'query.limit' } },
  })
  const unknown = '00000000-0000-4000-8000-000000000000'
  expect(await backend.get(`/api/v1/sessions/${unknown}`)).toEqual({
    status: 404,
    body: {
      code: 40400,
      message: 'Session not found',
      data: {
        code: 'SESSION_NOT_FOUND',
        hint: 'Check the id; only your own sessions are visible.',
        retryable: false,
      },
    },
  })
  expect(await backend.get(`/api/v1/runs/${unknown}`)).toMatchObject({ body: { data: { code: 'RUN_NOT_FOUND' } } })
  expect(await backend.get('/api/v1/runs/x')).toMatchObject({ status: 404 })
  expect(await backend.get('/api/v1/nothing')).toMatchObject({ status: 404, body: { code: 40400 } })
  const malformed = await fetch(`${backend.address}/api/v1/tasks`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"prompt":',
  })
  expect(await malformed.json()).toMatchObject({ code: 40000, data: { code: 'INVALID_BODY' } })
})

test('what-can-not-be-read-or-stored-is-refused-in-the-same-envelope', async () => {
  const { address } = backend
  expect(await backend.post('/api/v1/projects', { name: 'a\0b' })).toMatchObject({
    ...{ status: 400, body: { data: { code: 'INVALID_BODY', path: 'body' } } },
  })
  expect(await backend.get('/api/v1/search?q=a%00b')).toMatchObject({
    ...{ status: 400, body: { data: { code: 'INVALID_QUERY', path: 'query.q' } } },
  })
  for (const id of ['%zz', 'x'.repeat(200)])
    expect(await backend.get(`/api/v1/sessions/${id}`)).toMatchObject({
      ...{ status: 404, body: { data: { code: 'NOT_FOUND' } } },
    })
  const long = await fetch(`${address}/health`, { headers: { 'x-many': 'y'.repeat(20_000) } })
  expect([long.status, await long.json()]).toMatchObject([431, { code: 43100, data: { code: 'HEADERS_TOO_LARGE' } }])
  const unknown = await backend.get(`/${'x'.repeat(5_000)}`)
  expect(unknown.body.message.length).toBeLessThan(300)
})

test('lost-lease-and-gap-are-told-apart', async () => {
  const run = await claimNew(backend)
  const at = (n: number) => [{ n, at: 0, event: { type: 'todo', todos: [] } }]
  const gap = await backend.manage(`/${run.run_id}/events`, { ...holder(run), events: at(3) })
  expect(gap).toMatchObject({ status: 409, body: { code: 40900, data: { code: 'EVENT_GAP', expected: 1 } } })
  const late = await backend.manage(`/${run.run_id}/events`, { ...holder(run), lease_token: 'old', events: at(1) })
  expect(late).toMatchObject({ status: 409, body: { code: 40900, data: { code: 'LEASE_LOST' } } })
  await backend.manage(`/${run.run_id}/finish`, { ...holder(run), outcome: 'completed' })
})

test('cancel-reaches-a-claimed-run', async () => {
  const run = await claimNew(backend)
  const cancelled = await backend.post(`/api/v1/sessions/${run.session_id}/cancel`, {})
  expect(cancelled.body.data).toMatchObject({ status: 'canceling', executor_cancel_status: 'pending' })
  const renewed = await backend.manage(`/${run.run_id}/renew`, { ...holder(run), lease_seconds: 60 })
  expect(renewed.body.data).toEqual({ held: true, cancel: true, commands: [] })
  const finished = await backend.manage(`/${run.run_id}/finish`, { ...holder(run), outcome: 'canceled' })
  expect(finished.body.data).toMatchObject({ status: 'canceled' })
})

test('poll-that-waits-is-answered-when-the-server-closes', async () => {
  const closing = await stage.backend()
  const poll = closing.manage('/claim', { worker_id: 'm', boot_id: 'b', wait_seconds: 60 })
  // Known to the engine means: the poll has arrived.
  await expect.poll(async () => (await closing.manage('/claim', { worker_id: 'm', boot_id: 'b' })).status).toBe(200)
  await closing.backend.close()
  expect((await poll).body).toEqual({ code: 0, message: 'success', data: null })
})

test('internal-token-is-needed-by-managers-only', async () => {
  const body = { worker_id: 'm', boot_id: 'b' }
  for (const headers of [{}, { 'x-internal-token': 'guess' }, { 'x-internal-token': `${internalToken}x` }])
    expect(await backend.post('/api/v1/runs/claim', body, headers)).toMatchObject({
      status: 403,
      body: { code: 40300, data: { code: 'FORBIDDEN' } },
    })
  expect(await backend.get('/health')).toMatchObject({ status: 200, body: { data: { status: 'ok' } } })
})

test('a-picture-of-the-browser-is-found-by-its-tool-call-once-it-is-there', async () => {
  const run = await claimNew(backend)
  const call = { type: 'tool_call', tool_use_id: 'toolu_1', name: 'mcp__browser__browser_click', input: {} }
  const events = [{ n: 1, at: 0, event: { ...call, parent_tool_use_id: null } }]
  await backend.manage(`/${run.run_id}/events`, { ...holder(run), events })
  const address = `/api/v1/sessions/${run.session_id}/computer/browser`
  const early = await backend.get(`${address}/toolu_1`)
  expect(early).toMatchObject({ status: 404, body: { data: { code: 'FILE_NOT_FOUND' } } })
  await stage.objects.put(screenshotKey({ ...run, tool_use_id: 'toolu_1' }), 'picture')
  const found = await backend.get(`${address}/toolu_1`)
  expect(found).toMatchObject({ status: 200, body: { data: { tool_use_id: 'toolu_1' } } })
  const { url } = z.object({ url: z.url() }).parse(found.body.data)
  const { pathname, search } = new URL(url)
  expect(await (await fetch(backend.address + pathname + search)).text()).toBe('picture')
  for (const path of [`${address}/toolu_2`, `/api/v1/sessions/${run.run_id}/computer/browser/toolu_1`])
    expect((await backend.get(path)).status).toBe(404)
  expect((await backend.get(`${address}/..%2Fx`)).status).toBe(404)
  await backend.manage(`/${run.run_id}/finish`, { ...holder(run), outcome: 'completed' })
})

test('a branch shows the pictures of the turns that it copied, and so does a branch of the branch', async () => {
  const run = await claimNew(backend)
  const call = { type: 'tool_call', tool_use_id: 'toolu_1', name: 'mcp__browser__browser_click', input: {} }
  const events = [{ n: 1, at: 0, event: { ...call, parent_tool_use_id: null } }]
  await backend.manage(`/${run.run_id}/events`, { ...holder(run), events })
  await stage.objects.put(screenshotKey({ ...run, tool_use_id: 'toolu_1' }), 'picture')
  await backend.manage(`/${run.run_id}/finish`, { ...holder(run), outcome: 'completed' })
  const runOf = async (session_id: string) => {
    const [only] = (await backend.get(`/api/v1/runs/session/${session_id}`)).body.data as Record<string, unknown>[]
    return only
  }
  const branchOf = async (session_id: string): Promise<string> => {
    const body = { message_id: (await runOf(session_id))?.user_message_id }
    const branched = await backend.post(`/api/v1/sessions/${session_id}/branch`, body)
    return (branched.body.data as { session_id: string }).session_id
  }
  const branch = await branchOf(run.session_id)
  for (const session_id of [branch, await branchOf(branch)]) {
    for (const place of [`sessions/${session_id}`, `runs/${(await runOf(session_id))?.run_id}`]) {
      const { status, body } = await backend.get(`/api/v1/${place}/computer/browser/toolu_1`)
      expect(status, place).toBe(200)
      const { pathname, search } = new URL((body.data as { url: string }).url)
      expect(await (await fetch(backend.address + pathname + search)).text()).toBe('picture')
    }
    expect((await backend.get(`/api/v1/sessions/${session_id}/computer/browser/toolu_2`)).status).toBe(404)
  }
})
