/** Branching, and taking turns again. */
import type { MessageView, RunView, SessionView, ToolExecutionView } from '@tutti/contracts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { conversations, texts } from './support/conversations.ts'
import { claimNew, createStage, holder, type Running, type Stage } from './support/stage.ts'

let stage: Stage
let backend: Running

beforeAll(async () => {
  stage = await createStage()
  backend = await stage.backend()
})
afterAll(() => stage.close())

const { send, get, turn, ask, conversation } = conversations(() => backend)

test('branch-at-a-tool-result-copies-whole-turns-and-shares-nothing-that-changes', async () => {
  const { session_id, runIds, messages } = await conversation('one', 'two')
  const toolResult = messages.find(
    ({ role, content }) => role === 'user' && JSON.stringify(content).includes('ToolResultBlock'),
  )
  const { status, data: branched } = await send(`POST`, `/sessions/${session_id}/branch`, {
    message_id: toolResult?.id,
  })
  expect([status, branched]).toMatchObject([
    200,
    { source_session_id: session_id, agent_memory: true, workspace: true },
  ])
  const copy = `/sessions/${branched.session_id}`
  const { data: copied } = await get<MessageView[]>(`${copy}/messages`)
  const firstTurn = messages.filter(({ id }) => id <= Number(branched.cutoff_message_id))
  expect(copied.map(({ content }) => content)).toEqual(firstTurn.map(({ content }) => content))
  expect(texts(copied)).not.toContain('two')
  const { data: runs } = await get<RunView[]>(`/runs/session/${branched.session_id}`)
  expect(runs).toMatchObject([
    {
      status: 'completed',
      user_message_id: copied[0]?.id,
      workspace_manifest_key: expect.stringContaining(runIds[0] ?? '?'),
    },
  ])
  expect((await get<SessionView>(copy)).data).toMatchObject({
    status: 'completed',
    sdk_session_id: 'sdk-1',
    title: 'one',
  })
  const { data: tools } = await get<ToolExecutionView[]>(`${copy}/tool-executions`)
  expect(tools).toMatchObject([{ run_id: runs[0]?.run_id, tool_use_id: 't1', tool_output: 'x' }])
  expect((await get(`${copy}/usage`)).data).toMatchObject({ usage_json: { input_tokens: 10 } })
  expect(runs[0]?.usage).toMatchObject({ input_tokens: 10, cost_usd: 0.5 })
  // Shown, and spent elsewhere.
  expect((await get(`${copy}/spending`)).data).toBeNull()
  expect((await get(`${copy}/model-calls`)).data).toEqual([])
  // What goes on in either is not seen in the other.
  await ask('three', { session_id: branched.session_id })
  const next = await turn('answer to three')
  expect(next.sessionId).toBe(branched.session_id)
  expect((await get<MessageView[]>(`/sessions/${session_id}/messages`)).data).toEqual(messages)
})

test('branch-of-a-turn-without-a-snapshot-says-that-the-agent-forgets', async () => {
  const { session_id } = await ask('no files')
  await turn('done', { snapshot: false })
  const { data: messages } = await get<MessageView[]>(`/sessions/${session_id}/messages`)
  const { data } = await send('POST', `/sessions/${session_id}/branch`, { message_id: messages.at(-1)?.id })
  expect(data).toMatchObject({ agent_memory: false, workspace: false })
  expect((await get(`/sessions/${data.session_id}`)).data).toMatchObject({ sdk_session_id: null })
})

test('regenerate-takes-back-all-that-came-after-and-keeps-what-it-cost', async () => {
  const { session_id, runIds, messages } = await conversation('one', 'two', 'three')
  const asked = messages.find(({ text_preview }) => text_preview === 'two')
  const answered = messages.find(({ text_preview }) => text_preview === 'answer to two')
  const wrong = await send('POST', `/sessions/${session_id}/regenerate`, {
    user_message_id: asked?.id,
    assistant_message_id: messages.at(-1)?.id,
  })
  expect(wrong).toMatchObject({ status: 400, data: { code: 'INVALID_BODY', path: 'body.assistant_message_id' } })
  const { status, data } = await send('POST', `/sessions/${session_id}/regenerate`, {
    user_message_id: asked?.id,
    assistant_message_id: answered?.id,
    model: 'other',
  })
  expect([status, data]).toMatchObject([200, { accepted_type: 'run', session_id }])
  expect(texts((await get<MessageView[]>(`/sessions/${session_id}/messages`)).data).at(-1)).toBe('two')
  expect((await get(`/runs/${runIds[2]}`)).status).toBe(404)
  // Once more while it is under way: refused, nothing is lost.
  expect(
    await send('POST', `/sessions/${session_id}/regenerate`, { user_message_id: asked?.id, assistant_message_id: 1 }),
  ).toMatchObject({
    status: 409,
    data: { code: 'SESSION_BUSY' },
  })
  const [{ workspace_manifest_key: begins } = {}] = await stage.database.query<{ workspace_manifest_key: string }>(
    'select workspace_manifest_key from workbench.sessions where id = $1',
    [session_id],
  )
  expect(begins).toContain(runIds[0])
  const again = await turn('another answer')
  expect(again.runId).toBe(data.run_id)
  const { data: now } = await get<MessageView[]>(`/sessions/${session_id}/messages`)
  expect(texts(now).slice(-2)).toEqual(['another answer', 'another answer'])
  const { data: runs } = await get<RunView[]>(`/runs/session/${session_id}`)
  expect(runs.map((run) => run.user_message_id)).toEqual([messages[0]?.id, asked?.id])
  expect(runs[1]?.config_snapshot).toMatchObject({ model: 'other' })
  expect((await get(`/sessions/${session_id}/usage`)).data).toMatchObject({
    total_duration_ms: 28,
    usage_json: { input_tokens: 40, cost_usd: 2 },
  })
})

test('late-executor-of-a-turn-that-was-taken-back-writes-nothing', async () => {
  const run = await claimNew(backend, 'first words')
  await backend.post(`/api/v1/sessions/${run.session_id}/cancel`, {})
  await backend.manage(`/${run.run_id}/finish`, { ...holder(run), outcome: 'canceled' })
  const { data: messages } = await get<MessageView[]>(`/sessions/${run.session_id}/messages`)
  const { status, data } = await send('POST', `/sessions/${run.session_id}/edit-message`, {
    user_message_id: messages[0]?.id,
    content: 'better words',
  })
  expect(status).toBe(200)
  const event = {
    type: 'message',
    role: 'assistant',
    blocks: [{ type: 'text', text: 'late' }],
    parent_tool_use_id: null,
  }
  const late = await backend.manage(`/${run.run_id}/events`, { ...holder(run), events: [{ n: 1, at: 0, event }] })
  expect(late.status).toBe(404)
  expect((await backend.manage(`/${run.run_id}/finish`, { ...holder(run), outcome: 'completed' })).status).toBe(404)
  expect((await get(`/runs/${data.run_id}`)).data).toMatchObject({ status: 'queued' })
  const { data: now } = await get<MessageView[]>(`/sessions/${run.session_id}/messages`)
  expect(now).toMatchObject([{ id: messages[0]?.id, text_preview: 'better words' }])
  expect((await turn('ok')).runId).toBe(data.run_id)
})
