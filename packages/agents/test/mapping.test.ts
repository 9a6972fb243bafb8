import { type AgentEvent, agentEvent } from '@tutti/contracts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { longestText } from '../src/claude/blocks.ts'
import { initialState, type MappingState, mapMessage } from '../src/claude/mapping.ts'
import type { Terminal } from '../src/claude/outcome.ts'

const main = { parent_tool_use_id: null, session_id: 's-1' }

const init = { type: 'system', subtype: 'init', session_id: 's-1', model: 'model-a', tools: ['Bash', 'Read'] }
const delta = (value: object, parent: string | null = null) => ({
  type: 'stream_event',
  event: { type: 'content_block_delta', index: 0, delta: value },
  parent_tool_use_id: parent,
})
const assistant = (content: unknown, more: object = {}) => ({
  type: 'assistant',
  message: { id: 'm', role: 'assistant', model: 'model-a', content },
  ...main,
  ...more,
})
const user = (content: unknown, more: object = {}) => ({
  type: 'user',
  message: { role: 'user', content },
  ...main,
  ...more,
})
const modelUsage = (inputTokens: number, outputTokens: number, costUSD = 0.5, model = 'claude-a') => ({
  [model]: { inputTokens, outputTokens, cacheReadInputTokens: 2, cacheCreationInputTokens: 1, costUSD },
})
const success = {
  type: 'result',
  subtype: 'success',
  is_error: false,
  result: 'All done.',
  num_turns: 3,
  duration_ms: 1200,
  session_id: 's-1',
  total_cost_usd: 0.5,
  modelUsage: modelUsage(100, 20),
}

/** Plays messages, one per 10 ms, and checks that every event is one of the contract. */
const play = (messages: unknown[], from: MappingState = initialState): { events: AgentEvent[]; end?: Terminal } => {
  let state = from
  const events: AgentEvent[] = []
  let end: Terminal | undefined
  for (const [index, message] of messages.entries()) {
    const mapped = mapMessage(state, message, 1000 + index * 10)
    state = mapped.state
    events.push(...mapped.events)
    end = mapped.end?.terminal ?? end
  }
  for (const event of events) agentEvent.parse(event)
  if (end !== undefined) agentEvent.parse(end)
  return { events, ...(end === undefined ? {} : { end }) }
}

describe('messages of the runtime become events', () => {
  it('tells once that the runtime is up, although it says so again', () => {
    expect(play([init, init]).events).toEqual([
      { type: 'started', agent_session_id: 's-1', model: 'model-a', tools: ['Bash', 'Read'] },
    ])
  })

  it('passes text and thinking on as they stream, and nothing of a tool input that is half there', () => {
    const { events } = play([
      delta({ type: 'thinking_delta', thinking: 'hm' }),
      delta({ type: 'signature_delta', signature: 'x' }),
      delta({ type: 'text_delta', text: 'Hello' }, 'sub'),
      delta({ type: 'input_json_delta', partial_json: '{"a' }),
      delta({ type: 'text_delta', text: '' }),
    ])
    expect(events).toEqual([
      { type: 'thinking_delta', text: 'hm', parent_tool_use_id: null },
      { type: 'text_delta', text: 'Hello', parent_tool_use_id: 'sub' },
    ])
  })

  it('gives each of several tool calls its own event and measures each until its own result', () => {
    const { events } = play([
      assistant([
        { type: 'text', text: 'Looking.' },
        { type: 'tool_use', id: 't1', name: 'Bash', input: { command: 'ls' } },
      ]),
      assistant([{ type: 'tool_use', id: 't2', name: 'Read', input: { file_path: 'a' } }]),
      user([{ type: 'tool_result', tool_use_id: 't2', content: [{ type: 'text', text: 'A' }] }]),
      user([{ type: 'tool_result', tool_use_id: 't1', content: 'no such folder', is_error: true }]),
    ])
    expect(events.filter((event) => event.type === 'tool_call').map((event) => event.tool_use_id)).toEqual(['t1', 't2'])
    expect(events.filter((event) => event.type === 'tool_result')).toEqual([
      {
        type: 'tool_result',
        tool_use_id: 't2',
        output: [{ type: 'text', text: 'A' }],
        is_error: false,
        duration_ms: 10,
      },
      { type: 'tool_result', tool_use_id: 't1', output: 'no such folder', is_error: true, duration_ms: 30 },
    ])
  })

  it('does not invent a duration for a result whose call was never seen', () => {
    const { events } = play([user([{ type: 'tool_result', tool_use_id: 'old', content: 'x' }])])
    expect(events.at(-1)).toMatchObject({ type: 'tool_result', duration_ms: null })
  })

  it('turns a TodoWrite into the list, but not a sub-agent’s and not a malformed one', () => {
    const todos = [
      { content: 'Read', status: 'in_progress', activeForm: 'Reading' },
      { content: 'Write', status: 'odd' },
    ]
    const call = (id: string, input: object) => [{ type: 'tool_use', id, name: 'TodoWrite', input }]
    const { events } = play([
      assistant(call('t1', { todos })),
      assistant(call('t2', { todos }), { parent_tool_use_id: 'sub' }),
      assistant(call('t3', { todos: 'none' })),
    ])
    expect(events.filter((event) => event.type === 'todo')).toEqual([
      {
        type: 'todo',
        todos: [
          { content: 'Read', status: 'in_progress', active_form: 'Reading' },
          { content: 'Write', status: 'pending' },
        ],
      },
    ])
  })

  it('marks what a sub-agent says, its prompt included, and leaves out what the runtime tells the model on its own', () => {
    const { events } = play([
      user('look into it', { parent_tool_use_id: 'sub' }),
      assistant([{ type: 'text', text: 'ok' }], { parent_tool_use_id: 'sub' }),
      user('a reminder', { isSynthetic: true }),
      user('the prompt again', { isReplay: true }),
    ])
    expect(events).toEqual([
      {
        type: 'message',
        role: 'user',
        blocks: [{ type: 'text', text: 'look into it' }],
        parent_tool_use_id: 'sub',
      },
      { type: 'message', role: 'assistant', blocks: [{ type: 'text', text: 'ok' }], parent_tool_use_id: 'sub' },
    ])
  })

  it('cuts a huge output instead of making an event that no relay accepts', () => {
    const image = { type: 'image', source: { type: 'base64', data: 'A'.repeat(longestText * 2) } }
    const { events } = play([user([{ type: 'tool_result', tool_use_id: 't', content: [image] }])])
    expect(JSON.stringify(events.at(-1)).length).toBeLessThan(longestText + 1_000)
    expect(JSON.stringify(events.at(-1))).toContain(`${longestText} characters cut`)
  })

  it('survives any message, known kind or not, with events of the contract only', () => {
    const type = fc.constantFrom('system', 'assistant', 'user', 'stream_event', 'result', 'a_kind_of_tomorrow')
    const message = fc.tuple(fc.dictionary(fc.string(), fc.jsonValue()), type, fc.jsonValue(), fc.jsonValue())
    fc.assert(
      fc.property(fc.array(message), (messages) => {
        play(messages.map(([more, kind, inner, event]) => ({ ...more, type: kind, message: inner, event })))
      }),
    )
    expect(play([null, 7, 'text', { type: 'a_kind_of_tomorrow' }]).events).toEqual([])
  })
})

describe('a turn’s end', () => {
  it('is done with what was spent', () => {
    expect(play([success]).end).toEqual({
      type: 'done',
      agent_session_id: 's-1',
      result: 'All done.',
      turns: 3,
      duration_ms: 1200,
      cost_usd: 0.5,
      usage: { input_tokens: 100, output_tokens: 20, cache_creation_input_tokens: 1, cache_read_input_tokens: 2 },
    })
  })

  it('counts the tokens of a model without a known price, and invents no money for them', () => {
    const local = { ...success, modelUsage: modelUsage(100, 20, 0.5, 'scripted') }
    expect(play([local]).end).toMatchObject({ cost_usd: 0, usage: { input_tokens: 100, output_tokens: 20 } })
  })

  it('bills a resumed turn for itself only, although the runtime reports the whole session', () => {
    const first = mapMessage(initialState, success, 0)
    const before = first.end?.total ?? initialState.before
    const later = { ...success, total_cost_usd: 0.8, modelUsage: modelUsage(150, 30, 0.8) }
    expect(play([later], { ...initialState, before }).end).toMatchObject({
      cost_usd: 0.3,
      usage: { input_tokens: 50, output_tokens: 10 },
    })
  })

  it('never counts a crash’s zeroed total as a refund, neither now nor for the next turn', () => {
    const before = mapMessage(initialState, success, 0).end?.total ?? initialState.before
    const crash = {
      type: 'result',
      subtype: 'error_during_execution',
      is_error: true,
      errors: ['boom'],
      total_cost_usd: 0,
    }
    const mapped = mapMessage({ ...initialState, before }, crash, 0)
    expect(mapped.end?.terminal).toMatchObject({ type: 'error', cost_usd: 0 })
    expect(mapped.end?.total).toEqual(before)
  })

  it.each([
    ['a step limit', { subtype: 'error_max_turns', is_error: true }, { code: 'max_turns', retryable: false }],
    [
      'an overloaded provider',
      { subtype: 'success', is_error: true, api_error_status: 529, result: 'API Error: 529' },
      { code: 'model_error', retryable: true, message: 'API Error: 529' },
    ],
    [
      'a wrong key',
      { subtype: 'success', is_error: true, api_error_status: 401 },
      { code: 'model_error', retryable: false },
    ],
    [
      'a session that is not there',
      { subtype: 'error_during_execution', is_error: true, errors: ['No conversation found with session ID: x'] },
      { code: 'invalid_turn', retryable: false },
    ],
    [
      'a crash',
      { subtype: 'error_during_execution', is_error: true, errors: ['boom'] },
      { code: 'runtime_failed', retryable: true, message: 'boom' },
    ],
    ['a result of tomorrow', { subtype: 'error_of_tomorrow', is_error: false }, { code: 'runtime_failed' }],
    ['a success that is an error', { subtype: 'success', is_error: true }, { code: 'model_error' }],
  ])('after %s is an error, never a success', (_name, result, expected) => {
    expect(play([{ type: 'result', ...result }]).end).toMatchObject({ type: 'error', ...expected })
  })

  it('shows the provider’s refusal as an error and not as words of the model', () => {
    const refusal = assistant([{ type: 'text', text: 'API Error: overloaded' }], { error: 'overloaded' })
    const failed = { type: 'result', subtype: 'error_during_execution', is_error: true, errors: [] }
    const { events, end } = play([refusal, failed])
    expect(events).toEqual([])
    expect(end).toMatchObject({ code: 'model_error', message: 'API Error: overloaded', retryable: true })
  })

  it('stops the runtime when it repeats what a wrong key cannot cure, but not when the provider is busy', () => {
    const retry = (error: string, attempt: number) =>
      mapMessage(initialState, { type: 'system', subtype: 'api_retry', error, attempt, error_status: 401 }, 0)
    expect(retry('authentication_failed', 1).hopeless).toBeUndefined()
    expect(retry('authentication_failed', 2).hopeless).toBe(true)
    expect(retry('overloaded', 9).hopeless).toBeUndefined()
  })

  it('forgets a refusal that a retry repaired', () => {
    const refusal = assistant([{ type: 'text', text: 'API Error' }], { error: 'overloaded' })
    const crash = { type: 'result', subtype: 'error_during_execution', is_error: true, errors: ['boom'] }
    expect(play([refusal, assistant([{ type: 'text', text: 'Hello' }]), crash]).end).toMatchObject({
      code: 'runtime_failed',
    })
  })
})
