import { type AgentEvent, isDelta } from '@tutti/contracts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { EventGapError } from '../src/index.ts'
import { createStage, finishOf, holder, numbered, type Stage, said, spend, user } from './support/stage.ts'

let stage: Stage

beforeAll(async () => {
  stage = await createStage()
})
afterAll(() => stage.close())

const usage = { input_tokens: 10, output_tokens: 20, cache_creation_input_tokens: 3, cache_read_input_tokens: 4 }

/** A turn with one event of each kind. */
const turn: AgentEvent[] = [
  { type: 'started', agent_session_id: 'sdk-1', model: 'm-1', tools: ['Bash'] },
  { type: 'thinking_delta', text: 'hm', parent_tool_use_id: null },
  { type: 'text_delta', text: 'I will ', parent_tool_use_id: null },
  { type: 'text_delta', text: 'look.', parent_tool_use_id: null },
  {
    type: 'message',
    role: 'assistant',
    blocks: [
      { type: 'thinking', thinking: 'hm' },
      { type: 'text', text: 'I will look.' },
      { type: 'tool_use', id: 't1', name: 'Bash', input: { command: 'ls' } },
    ],
    parent_tool_use_id: null,
  },
  { type: 'tool_call', tool_use_id: 't1', name: 'Bash', input: { command: 'ls' }, parent_tool_use_id: null },
  { type: 'tool_result', tool_use_id: 't1', output: 'a.txt', is_error: false, duration_ms: 12 },
  {
    type: 'message',
    role: 'user',
    blocks: [{ type: 'tool_result', tool_use_id: 't1', content: 'a.txt', is_error: false }],
    parent_tool_use_id: null,
  },
  {
    type: 'todo',
    todos: [
      { content: 'look', status: 'completed' },
      { content: 'tell', status: 'pending' },
    ],
  },
  {
    type: 'file_changes',
    repository: null,
    branch: 'main',
    total_added_lines: 1,
    total_deleted_lines: 0,
    file_changes: [{ path: 'a.txt', status: 'added', added_lines: 1, deleted_lines: 0, diff: '+a', old_path: null }],
  },
  { type: 'mcp_status', servers: [{ server_name: 'db', status: 'failed', message: 'not there' }] },
  { type: 'screenshot', tool_use_id: 'toolu_1', key: 'replays/u/s/r/toolu_1.png' },
  said('One file: a.txt'),
  {
    type: 'done',
    agent_session_id: 'sdk-1',
    result: 'One file: a.txt',
    turns: 2,
    duration_ms: 1500,
    usage,
    cost_usd: 0.25,
  },
]

/** What differs from run to run, made the same. */
const golden = (value: unknown): string => {
  const seen = new Map<string, string>()
  const name = (kind: string, text: string): string => {
    const known =
      seen.get(text) ?? `<${kind} ${[...seen.values()].filter((each) => each.startsWith(`<${kind}`)).length + 1}>`
    seen.set(text, known)
    return known
  }
  const text = JSON.stringify(value, null, 2)
    .replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, (id) => name('id', id))
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<instant>')
  return `${text}\n`
}

test('a-turn-is-told-in-the-words-of-the-wire', async () => {
  const { session_id, run_id } = await stage.send('what is here?')
  const run = await stage.claim()
  await stage.workbench.startRun(run_id, { ...holder(run), model: 'm-1', sandbox: 'test' })
  const answer = await stage.workbench.storeEvents(run_id, { ...holder(run), attempt: 1, events: numbered(turn) })
  expect(answer).toEqual({ received: turn.filter((event) => !isDelta(event)).length })
  await spend(stage.workbench, run, { ...usage, cost_usd: 0.25, duration_ms: 1500 })
  const file = { path: 'a.txt', size: 3, sha256: 'f00', key: 'w/a.txt' }
  await stage.workbench.finishRun(
    run_id,
    finishOf(run, { export: { status: 'ready', prefix: 'w', manifest_key: 'w/manifest.json', files: [file] } }),
  )
  await expect(golden(await stage.frames(session_id))).toMatchFileSnapshot('golden/frames.json')
  await expect(
    golden(await stage.workbench.messages(user, session_id, { afterId: 0, limit: 100 })),
  ).toMatchFileSnapshot('golden/messages.json')
  await expect(
    golden({
      session: await stage.workbench.session(user, session_id),
      run: await stage.workbench.run(user, run_id),
      tools: await stage.workbench.toolExecutions(user, session_id, { limit: 10, offset: 0 }),
      snapshot: await stage.workbench.snapshot(user, session_id),
    }),
  ).toMatchFileSnapshot('golden/session.json')
})

test('events-sent-twice-are-stored-once', async () => {
  const { session_id, run_id } = await stage.send('twice')
  const run = await stage.claim()
  const send = (from: number, texts: string[]) =>
    stage.workbench.storeEvents(run_id, { ...holder(run), attempt: 1, events: numbered(texts.map(said), from) })
  await send(1, ['one', 'two'])
  const answers = await Promise.all([send(1, ['one', 'two']), send(2, ['two', 'three']), send(2, ['two', 'three'])])
  expect(answers.map((answer) => answer.received).toSorted()).toEqual([2, 3, 3])
  const messages = await stage.workbench.messages(user, session_id, { afterId: 0, limit: 100 })
  expect(messages.map((message) => message.text_preview)).toEqual(['twice', 'one', 'two', 'three'])
  const frames = await stage.frames(session_id)
  expect(frames.map((frame) => frame.seq)).toEqual(frames.map((_, at) => at + 1))
  await stage.workbench.finishRun(run_id, finishOf(run))
})

test('gap-in-events-is-refused', async () => {
  const { session_id, run_id } = await stage.send('gap')
  const run = await stage.claim()
  const send = (from: number) =>
    stage.workbench.storeEvents(run_id, { ...holder(run), attempt: 1, events: numbered([said('x')], from) })
  await expect(send(2)).rejects.toEqual(new EventGapError(1, 2))
  await send(1)
  await expect(send(3)).rejects.toMatchObject({ expected: 2 })
  expect(await stage.workbench.messages(user, session_id, { afterId: 0, limit: 100 })).toHaveLength(2)
  await stage.workbench.finishRun(run_id, finishOf(run))
})

test('text-that-postgres-can-not-hold-does-not-end-the-turn', async () => {
  const { session_id, run_id } = await stage.send('binary\0 please')
  const run = await stage.claim()
  await stage.workbench.storeEvents(run_id, {
    ...holder(run),
    attempt: 1,
    events: numbered([
      { type: 'tool_call', tool_use_id: 't', name: 'Bash', input: { 'k\0': '\0' }, parent_tool_use_id: null },
      { type: 'tool_result', tool_use_id: 't', output: 'a\0b\ud800 \\u0000', is_error: false, duration_ms: null },
    ]),
  })
  const [tool] = await stage.workbench.toolExecutions(user, session_id, { limit: 10, offset: 0 })
  expect(tool?.tool_output).toBe('a\uFFFDb\uFFFD \\u0000')
  await stage.workbench.finishRun(run_id, finishOf(run, { result: 'x\0' }))
  await stage.send('a\0', { session_id, client_request_id: 'b', config: { model: 'c\0' } })
  await stage.workbench.cancelSession(user, session_id, { reason: 'd\0' })
  expect(await stage.workbench.run(user, run_id)).toMatchObject({ status: 'completed' })
})

test('a-call-that-an-attempt-makes-again-stands-behind-those-made-meanwhile', async () => {
  const { session_id, run_id } = await stage.send('again')
  const run = await stage.claim()
  const call = (id: string): AgentEvent => ({
    ...{ type: 'tool_call', tool_use_id: id, name: 'Bash', parent_tool_use_id: null },
    input: { command: id },
  })
  const calls = ['first', 'second', 'first']
  for (const [n, id] of calls.entries())
    await stage.workbench.storeEvents(run_id, { ...holder(run), attempt: 1, events: numbered([call(id)], n + 1) })
  const tools = await stage.workbench.toolExecutions(user, session_id, { limit: 10, offset: 0 })
  expect(tools.map(({ tool_use_id }) => tool_use_id)).toEqual(['second', 'first'])
  await stage.workbench.finishRun(run_id, finishOf(run))
})
