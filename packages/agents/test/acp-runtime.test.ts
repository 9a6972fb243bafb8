/** A real agent of the Agent Client Protocol, as a process of its own. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { MemoryCall, Turn, TurnCommand } from '@tutti/contracts'
import { expect, it } from 'vitest'
import type { AcpRuntimeConfig } from '../src/acp/runtime.ts'
import { createAcpRuntime } from '../src/index.ts'
import { turn, useClaude } from './support/claude.ts'

const stage = useClaude()
const command = [process.execPath, fileURLToPath(new URL('support/acp-agent.ts', import.meta.url))]
const ask = (lines: string[], more: Partial<Turn> = {}): Turn =>
  turn(lines.join('\n'), { runtime: 'acp', command, ...more })
const using = (memory?: AcpRuntimeConfig['memory']) =>
  createAcpRuntime({
    ...(memory === undefined ? {} : { memory }),
    ...{ cwd: stage.workspace, baseUrl: 'http://127.0.0.1:9', authToken: 'the key' },
    env: { PATH: process.env.PATH, HOME: stage.workspace },
  })

it('thoughts, words, a plan and a tool call in their order, with the model that was asked for', async () => {
  const { events, last } = await stage.run(
    ask(['think hm', 'say Looking.', 'plan Sail', 'write a.txt tide', 'model', 'say !']),
    { using: using() },
  )
  // How many pieces a text comes in is a matter of time.
  expect(events.map(({ type }) => type).filter((type) => !type.endsWith('delta'))).toEqual([
    ...['started', 'message', 'todo', 'tool_call', 'tool_result', 'message', 'done'],
  ])
  expect(events).toContainEqual({ type: 'thinking_delta', text: 'hm', parent_tool_use_id: null })
  expect(events).toContainEqual({ type: 'todo', todos: [{ content: 'Sail', status: 'in_progress' }] })
  expect(events.find(({ type }) => type === 'tool_result')).toMatchObject({
    is_error: false,
    output: 'written',
    duration_ms: expect.any(Number),
  })
  expect(last).toMatchObject({ agent_session_id: 'session-1', result: 'claude-sonnet-4-5 at http://127.0.0.1:9!' })
  expect(await readFile(join(stage.workspace, 'a.txt'), 'utf8')).toBe('tide')
})

it('a file outside of the workspace is not written, whatever way leads there', async () => {
  const { events } = await stage.run(ask(['write ../x.txt a', 'write /etc/x.txt a', 'write a/../../x.txt a']), {
    using: using(),
  })
  const results = events.filter((event) => event.type === 'tool_result')
  expect(results.map(({ is_error }) => is_error)).toEqual([true, true, true])
})

it.each([
  ['plan mode', { permission_mode: 'plan' as const }],
  ['a rule that denies', { rules: { allow: [], ask: [], deny: ['edit'] } }],
  ['a rule that nobody can be asked about', { rules: { allow: [], ask: ['write(*.txt)'], deny: [] } }],
])('nothing is written under %s', async (_name, more) => {
  const { events } = await stage.run(ask(['write a.txt tide'], more), { using: using() })
  expect(events.find(({ type }) => type === 'tool_result')).toMatchObject({ is_error: true, output: 'refused' })
  await expect(readFile(join(stage.workspace, 'a.txt'))).rejects.toThrow('ENOENT')
})

it('the memory is called through a server that the agent starts itself, and answers as it does to others', async () => {
  const calls: unknown[] = []
  const memory = async ({ run_id }: Turn, call: MemoryCall) => {
    calls.push([run_id, call])
    if (call.op === 'get') throw new Error('There is no such memory.')
    return { memories: [{ text: 'tea at four' }] }
  }
  const given = ask(
    [
      'call memory memory_search {"query":"tea"}',
      'say /',
      'call memory memory_get {"id":"1"}',
      'say /',
      'call memory memory_add {"text":"no milk"}',
    ],
    { memory: true },
  )
  const { last } = await stage.run(given, { using: using(memory) })
  if (last?.type !== 'done') throw new Error(JSON.stringify(last))
  const [found, missing, added] = last.result.split('/').map((answer) => JSON.parse(answer))
  expect(found.tools).toEqual(expect.arrayContaining(['memory_search', 'memory_add', 'memory_delete']))
  expect(JSON.parse(found.content[0].text)).toEqual({ memories: [{ text: 'tea at four' }] })
  expect(missing).toMatchObject({ isError: true, content: [{ text: 'There is no such memory.' }] })
  expect(added.isError).toBe(false)
  expect(calls).toEqual([
    [given.run_id, { op: 'search', query: 'tea', limit: 10 }],
    [given.run_id, { op: 'get', id: '1' }],
    [given.run_id, { op: 'add', text: 'no milk', only_this_project: false }],
  ])
})

it('in plan mode the memory is only read; without one the agent has no such server, or the turn fails', async () => {
  const memory = async () => ({ memories: [] })
  const add = 'call memory memory_add {"text":"x"}'
  const planned = await stage.run(ask([add], { memory: true, permission_mode: 'plan' }), { using: using(memory) })
  expect(planned.last).toMatchObject({ result: expect.stringContaining('Nothing is changed in plan mode.') })
  expect((await stage.run(ask([add]), { using: using(memory) })).last).toMatchObject({ result: 'no server memory' })
  expect((await stage.run(ask([add], { memory: true }), { using: using() })).last).toMatchObject({
    ...{ type: 'error', message: expect.stringContaining('there is none here') },
  })
})

it('a later turn loads the session, and tells nothing of before again', async () => {
  const first = await stage.run(ask(['say one']), { using: using() })
  const session = first.last?.type === 'done' ? first.last.agent_session_id : ''
  const { events, last } = await stage.run(ask(['recall'], { resume: session }), { using: using() })
  expect(last).toMatchObject({ type: 'done', result: 'say one' })
  expect(events.filter(({ type }) => type === 'message')).toHaveLength(1)
})

it('what is said meanwhile is taken behind the answer, in the same turn', async () => {
  const commands = async function* (): AsyncGenerator<TurnCommand> {
    yield { n: 1, type: 'message', id: 'm', text: 'say two' }
  }
  const { events, last } = await stage.run(ask(['pause 300', 'say one']), { using: using(), commands: commands() })
  expect(events).toContainEqual({ type: 'steered', id: 'm' })
  expect(last).toMatchObject({ type: 'done', result: 'two', turns: 2 })
})

it.each([['wait'], ['wait stubbornly']])(
  'an interruption ends it, also where the agent does not listen: %s',
  async (line) => {
    const stop = new AbortController()
    const { last } = await stage.run(ask([line]), {
      using: using(),
      signal: stop.signal,
      on: (event) => {
        if (event.type === 'text_delta') stop.abort()
      },
    })
    expect(last).toMatchObject({ type: 'error', code: 'interrupted' })
  },
)

it.each([
  ['crash', {}, { code: 'runtime_failed', retryable: true, message: expect.stringContaining('code 7') }],
  ['stop refusal', {}, { code: 'model_error', retryable: false }],
  ['stop max_turn_requests', {}, { code: 'max_turns' }],
  ['say x', { command: ['/nowhere/agent'] }, { code: 'runtime_failed', retryable: false }],
  ['say x', { tools: ['Read'] }, { code: 'invalid_turn', message: expect.stringContaining('tools') }],
])('%s with %j is an error, never a success', async (line, more, expected) => {
  const { last } = await stage.run(ask([line], more), { using: using() })
  expect(last).toMatchObject({ type: 'error', ...expected })
})
