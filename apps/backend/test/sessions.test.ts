import type { RunView, SessionView, ToolExecutionView } from '@tutti/contracts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { conversations, unknown } from './support/conversations.ts'
import { claimNew, createStage, holder, type Running, type Stage } from './support/stage.ts'

let stage: Stage
let backend: Running

beforeAll(async () => {
  stage = await createStage()
  backend = await stage.backend()
})
afterAll(() => stage.close())

const { send, get, turn, ask, conversation } = conversations(() => backend)

test('strangers-and-unknown-ids-answer-404', async () => {
  const { session_id, runIds, messages } = await conversation('secret')
  const { data: tools } = await get<ToolExecutionView[]>(`/sessions/${session_id}/tool-executions`)
  const { data: project } = await send('POST', '/projects', { name: 'p' })
  const body = { message_id: messages[0]?.id }
  const calls: [string, string, unknown?][] = [
    ['GET', `/sessions/${session_id}`],
    ['GET', `/sessions/${session_id}/state`],
    ['PATCH', `/sessions/${session_id}`, { title: 'x' }],
    ['DELETE', `/sessions/${session_id}`],
    ['POST', `/sessions/${session_id}/cancel`, {}],
    ['POST', `/sessions/${session_id}/branch`, body],
    ['POST', `/sessions/${session_id}/regenerate`, { user_message_id: 1, assistant_message_id: 2 }],
    ['POST', `/sessions/${session_id}/edit-message`, { user_message_id: messages[0]?.id, content: 'x' }],
    ['GET', `/sessions/${session_id}/messages`],
    ['GET', `/sessions/${session_id}/messages-with-files`],
    ['GET', `/sessions/${session_id}/message-attachments/delta`],
    ['GET', `/sessions/${session_id}/tool-executions`],
    ['GET', `/sessions/${session_id}/tool-executions/delta`],
    ['GET', `/sessions/${session_id}/usage`],
    ['GET', `/sessions/${session_id}/spending`],
    ['GET', `/sessions/${session_id}/queued-queries`],
    ['DELETE', `/sessions/${session_id}/queued-queries/${unknown}`],
    ['GET', `/runs/session/${session_id}`],
    ['GET', `/runs/${runIds[0]}`],
    ['GET', `/runs/${runIds[0]}/tool-executions`],
    ['GET', `/runs/${runIds[0]}/tool-executions/delta`],
    ['GET', `/messages/${messages[0]?.id}`],
    ['GET', `/messages/sessions/${session_id}/since/0`],
    ['GET', `/tool-executions/${tools[0]?.id}`],
    ['GET', `/projects/${project.project_id}`],
    ['PATCH', `/projects/${project.project_id}`, { name: 'y' }],
    ['DELETE', `/projects/${project.project_id}`],
    ['POST', '/tasks', { prompt: 'x', session_id }],
    ['POST', '/tasks', { prompt: 'x', project_id: project.project_id }],
  ]
  // What is called empty of a queue that has no such item is answered before the owner changes.
  for (const [method, path] of calls.filter(([method]) => method === 'GET'))
    expect((await send(method, path)).status, path).toBe(200)
  await stage.database.query(`update workbench.sessions set user_id = 'stranger' where id = $1`, [session_id])
  await stage.database.query(`update workbench.runs set user_id = 'stranger' where session_id = $1`, [session_id])
  await stage.database.query(`update workbench.projects set user_id = 'stranger' where id = $1`, [project.project_id])
  for (const [method, path, body] of calls)
    expect((await send(method, path, body)).status, `${method} ${path}`).toBe(404)
})

test('deleted-session-is-gone-and-its-turn-is-stopped', async () => {
  const run = await claimNew(backend, 'delete me')
  expect(await send('DELETE', `/sessions/${run.session_id}`)).toMatchObject({
    status: 200,
    data: { id: run.session_id },
  })
  expect((await get(`/sessions/${run.session_id}`)).status).toBe(404)
  const { data: list } = await get<SessionView[]>('/sessions?limit=1000')
  expect(list.map(({ session_id }) => session_id)).not.toContain(run.session_id)
  const renewed = await backend.manage(`/${run.run_id}/renew`, { ...holder(run), lease_seconds: 60 })
  expect(renewed.body.data).toMatchObject({ cancel: true })
  expect((await backend.manage(`/${run.run_id}/finish`, { ...holder(run), outcome: 'canceled' })).status).toBe(200)
})

test('project-gives-its-sessions-their-defaults-and-lists-them', async () => {
  const { data: project } = await send('POST', '/projects', {
    name: 'site',
    default_model: 'm-project',
    repo_url: 'https://git.example.org/a/site.git',
    git_branch: 'dev',
  })
  const { project_id } = project
  const { session_id, run_id } = await ask('with defaults', { project_id })
  const repository = { repo_url: 'https://git.example.org/a/site', git_branch: 'dev' }
  expect((await get(`/runs/${run_id}`)).data).toMatchObject({ config_snapshot: { model: 'm-project', ...repository } })
  await turn('x')
  const other = await ask('with its own', {
    project_id,
    config: { repo_url: 'https://git.example.org/b', model: null },
  })
  expect((await get<RunView>(`/runs/${other.run_id}`)).data.config_snapshot).toEqual({
    repo_url: 'https://git.example.org/b',
  })
  await turn('x')
  const { data: listed } = await get<SessionView[]>(`/sessions?project_id=${project_id}`)
  expect(listed.map((session) => session.session_id)).toEqual([other.session_id, session_id])
  const page = await get<SessionView[]>(`/sessions?project_id=${project_id}&limit=1`)
  expect([page.data.length, page.headers.get('x-has-more')]).toEqual([1, 'true'])
  expect((await send('POST', '/tasks', { prompt: 'x', session_id, project_id: unknown })).status).toBe(400)
  expect((await send('DELETE', `/projects/${project_id}`)).status).toBe(200)
  expect((await get<SessionView>(`/sessions/${session_id}`)).data.project_id).toBeNull()
})

test('sessions are found by where they were begun, and a branch of one with them', async () => {
  const origin = 'desk:/home/me/a folder & more'
  const { session_id } = await ask('begun here', { origin })
  const run = await turn('x')
  await ask('begun elsewhere', { origin: `${origin}/below` })
  await turn('x')
  const { data: quiet } = await send('POST', '/sessions', { origin })
  const { user_message_id } = (await get<RunView>(`/runs/${run.runId}`)).data
  const { data: copy } = await send('POST', `/sessions/${session_id}/branch`, { message_id: user_message_id })
  // A message to one that is there changes nothing of it.
  await ask('and more', { session_id, origin: 'elsewhere' })
  await turn('x')
  const { data } = await get<SessionView[]>(`/sessions?${new URLSearchParams({ origin })}`)
  expect(data.map((session) => [session.session_id, session.origin])).toEqual(
    [copy.session_id, quiet.session_id, session_id].map((id) => [id, origin]),
  )
})

test('session-patch-changes-only-what-is-the-users', async () => {
  const { session_id } = await ask('patch me', { config: { model: 'a', budget: { tokens: 900 } } })
  await turn('x')
  const patched = await send('PATCH', `/sessions/${session_id}`, {
    title: ' New ',
    is_pinned: true,
    config: { model: null, budget: { cost_usd: 2 } },
  })
  expect(patched.data).toMatchObject({
    title: 'New',
    is_pinned: true,
    pinned_at: expect.any(String),
    config_snapshot: { budget: { tokens: 900, cost_usd: 2 } },
  })
  expect(patched.data.config_snapshot).not.toHaveProperty('model')
  expect(await send('PATCH', `/sessions/${session_id}`, { status: 'failed' })).toMatchObject({
    status: 400,
    data: { code: 'INVALID_BODY' },
  })
  expect((await get(`/sessions/${session_id}/state`)).data).toMatchObject({ session_id, status: 'completed' })
})
