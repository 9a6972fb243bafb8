/**
 * Messages of the Claude Agent SDK as events of the contract. Pure: a state, a message and the time go in, the next
 * state and the events come out. Messages of kinds that are not known here pass without an event and without failing,
 * since the SDK adds kinds in every version.
 */
import type { AgentEvent, ContentBlock } from '@tutti/contracts'
import { count, isRecord, type Loose, record, text, texts } from '../loose.ts'
import { contentBlocks, todos } from './blocks.ts'
import { isLasting, type ModelFailure, outcome, type Terminal } from './outcome.ts'
import { furthest, nothingSpent, type Spent, spentSince, totalOf } from './spent.ts'

export interface MappingState {
  started: boolean
  /** When each tool call that has no result yet was seen. */
  calls: ReadonlyMap<string, number>
  failure: ModelFailure | undefined
  /** What the session had spent before this turn. */
  before: Spent
  /** Of the turn's results until now: a message that comes late gets one of its own. */
  so_far: { turns: number; duration_ms: number }
}

export interface Mapped {
  state: MappingState
  events: AgentEvent[]
  /** The runtime goes on trying what cannot succeed, and would for minutes: it is to be stopped. */
  hopeless?: true
  /** Set by a result. */
  end?: {
    /** The event to end with, once the runtime has written everything down and is gone. */
    terminal: Terminal
    session: string
    /** What the session has spent by now. */
    total: Spent
  }
}

export const initialState: MappingState = {
  ...{ started: false, calls: new Map(), failure: undefined, before: nothingSpent },
  so_far: { turns: 0, duration_ms: 0 },
}

/** What the runtime's record has, too. */
type Recorded = Extract<AgentEvent, { type: 'message' | 'tool_call' | 'tool_result' | 'todo' }>

/** Says of each event where the record has it. A sub-agent has a record of its own. */
const placed = (message: Loose, events: Recorded[]): Recorded[] => {
  const uuid = text(message.uuid)
  if (uuid === '' || parentOf(message) !== null) return events
  return events.map((event, part) => ({ ...event, entry: `${uuid}/${part}` }))
}

const parentOf = (message: Loose): string | null => text(message.parent_tool_use_id) || null

/** The runtime repeats refused requests ten times, also those refused for a wrong key. One repetition is allowed. */
const retry = (state: MappingState, message: Loose): Mapped => {
  const failure = { kind: text(message.error), message: `It answered with status ${String(message.error_status)}.` }
  if (!isLasting(failure) || count(message.attempt) < 2) return { state, events: [] }
  return { state: { ...state, failure }, events: [], hopeless: true }
}

const system = (state: MappingState, message: Loose): Mapped => {
  if (message.subtype === 'api_retry') return retry(state, message)
  if (message.subtype !== 'init' || state.started) return { state, events: [] }
  const started: AgentEvent = {
    type: 'started',
    agent_session_id: text(message.session_id),
    model: text(message.model),
    tools: texts(message.tools),
  }
  return { state: { ...state, started: true }, events: [started] }
}

const streamed = (state: MappingState, message: Loose): Mapped => {
  const event = record(message.event)
  const delta = record(event.delta)
  const parent_tool_use_id = parentOf(message)
  if (event.type !== 'content_block_delta') return { state, events: [] }
  const said = delta.type === 'text_delta' ? text(delta.text) : ''
  if (said !== '') return { state, events: [{ type: 'text_delta', text: said, parent_tool_use_id }] }
  const thought = delta.type === 'thinking_delta' ? text(delta.thinking) : ''
  if (thought !== '') return { state, events: [{ type: 'thinking_delta', text: thought, parent_tool_use_id }] }
  return { state, events: [] }
}

const toolCall = (block: ContentBlock, parent_tool_use_id: string | null): Recorded[] => {
  if (block.type !== 'tool_use') return []
  const { id, name, input } = block
  const call: Recorded = { type: 'tool_call', tool_use_id: id, name, input, parent_tool_use_id }
  // A sub-agent's own list would replace the one that the reader follows, and a malformed one would empty it.
  const listed = name === 'TodoWrite' && parent_tool_use_id === null && Array.isArray(input.todos)
  return listed ? [call, { type: 'todo', todos: todos(input) }] : [call]
}

const assistant = (state: MappingState, message: Loose, now: number): Mapped => {
  const inner = record(message.message)
  const blocks = contentBlocks(inner.content)
  if (inner.model === '<synthetic>' || message.error !== undefined) {
    // Words that the runtime puts into the model's mouth when the provider refused; the result tells it as an error.
    const kind = text(message.error)
    const said = blocks.map((block) => (block.type === 'text' ? block.text : '')).join('')
    return { state: kind === '' ? state : { ...state, failure: { kind, message: said } }, events: [] }
  }
  if (blocks.length === 0) return { state, events: [] }
  const parent_tool_use_id = parentOf(message)
  const called = blocks.filter((block) => block.type === 'tool_use')
  const calls = new Map([...state.calls, ...called.map((block) => [block.id, now] as const)])
  return {
    // The provider answered after all: a refusal before this one was repaired by a retry.
    state: { ...state, calls, failure: undefined },
    events: placed(message, [
      { type: 'message', role: 'assistant', blocks, parent_tool_use_id },
      ...blocks.flatMap((block) => toolCall(block, parent_tool_use_id)),
    ]),
  }
}

/** How long a tool ran, where that was measured: without waiting for consent, or for the calls before it. */
export type Took = (toolUseId: string) => number | undefined

const user = (state: MappingState, message: Loose, now: number, took: Took): Mapped => {
  const blocks = contentBlocks(record(message.message).content)
  const results = blocks.filter((block) => block.type === 'tool_result')
  const parent_tool_use_id = parentOf(message)
  // Without results it is what the runtime tells the model on its own, or an echo; only a sub-agent's prompt is news.
  const news = results.length > 0 || (parent_tool_use_id !== null && message.isReplay !== true)
  if (blocks.length === 0 || !news) return { state, events: [] }
  const calls = new Map(state.calls)
  const finished = results.map(({ tool_use_id, content, is_error }): Recorded => {
    const began = calls.get(tool_use_id)
    calls.delete(tool_use_id)
    const ms = took(tool_use_id) ?? (began === undefined ? undefined : now - began)
    const duration_ms = ms === undefined ? null : Math.max(0, Math.round(ms))
    return { type: 'tool_result', tool_use_id, output: content, is_error, duration_ms }
  })
  return {
    state: { ...state, calls },
    events: placed(message, [{ type: 'message', role: 'user', blocks, parent_tool_use_id }, ...finished]),
  }
}

const result = (state: MappingState, message: Loose): Mapped => {
  const total = totalOf(message)
  const so_far = {
    turns: state.so_far.turns + count(message.num_turns),
    duration_ms: state.so_far.duration_ms + count(message.duration_ms),
  }
  const terminal = outcome(message, state.failure, { ...so_far, ...spentSince(total, state.before) })
  return {
    state: { ...state, so_far },
    events: [],
    end: { terminal, session: text(message.session_id), total: furthest(total, state.before) },
  }
}

/** Maps one message that arrived at `now` (milliseconds of any steady clock). */
export const mapMessage = (
  state: MappingState,
  message: unknown,
  now: number,
  took: Took = () => undefined,
): Mapped => {
  if (!isRecord(message)) return { state, events: [] }
  switch (message.type) {
    case 'system':
      return system(state, message)
    case 'stream_event':
      return streamed(state, message)
    case 'assistant':
      return assistant(state, message, now)
    case 'user':
      return user(state, message, now, took)
    case 'result':
      return result(state, message)
    default:
      return { state, events: [] }
  }
}
