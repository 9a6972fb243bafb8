/** Updates of an agent that speaks the Agent Client Protocol as events of the contract. Kinds that are not known here pass without an event. */
import type { SessionUpdate } from '@agentclientprotocol/sdk'
import type { AgentEvent, ContentBlock, JsonObject } from '@tutti/contracts'
import { boundedJson, boundedObject } from '../claude/blocks.ts'
import { record } from '../loose.ts'

export interface AcpMapping {
  /** One update that arrived at `now` (milliseconds of any steady clock). */
  update(update: SessionUpdate, now: number): AgentEvent[]
  /** What was said since the last message, as a message: at the end, and before whatever else the agent does. */
  flush(): AgentEvent[]
  /** What the agent said last. */
  said(): string
}

export const createMapping = (): AcpMapping => {
  const running = new Map<string, number>()
  const ended = new Set<string>()
  let thinking = ''
  let text = ''
  let last = ''

  const flush = (): AgentEvent[] => {
    const blocks: ContentBlock[] = [
      ...(thinking === '' ? [] : [{ type: 'thinking' as const, thinking }]),
      ...(text === '' ? [] : [{ type: 'text' as const, text }]),
    ]
    if (text !== '') last = text
    thinking = ''
    text = ''
    return blocks.length === 0 ? [] : [{ type: 'message', role: 'assistant', blocks, parent_tool_use_id: null }]
  }

  const begin = (id: string, name: string, input: JsonObject, now: number): AgentEvent[] => {
    if (running.has(id) || ended.has(id)) return []
    running.set(id, now)
    return [...flush(), { type: 'tool_call', tool_use_id: id, name, input, parent_tool_use_id: null }]
  }

  const end = (id: string, status: unknown, output: unknown, now: number): AgentEvent[] => {
    const began = running.get(id)
    if (began === undefined || (status !== 'completed' && status !== 'failed')) return []
    running.delete(id)
    ended.add(id)
    const duration_ms = Math.max(0, Math.round(now - began))
    const is_error = status === 'failed'
    return [{ type: 'tool_result', tool_use_id: id, output: boundedJson(output), is_error, duration_ms }]
  }

  return {
    flush,
    said: () => last,
    update: (update, now) => {
      switch (update.sessionUpdate) {
        case 'agent_message_chunk': {
          if (update.content.type !== 'text') return []
          text += update.content.text
          return [{ type: 'text_delta', text: update.content.text, parent_tool_use_id: null }]
        }
        case 'agent_thought_chunk': {
          if (update.content.type !== 'text') return []
          thinking += update.content.text
          return [{ type: 'thinking_delta', text: update.content.text, parent_tool_use_id: null }]
        }
        case 'tool_call':
        case 'tool_call_update': {
          const { toolCallId, status, content, rawInput } = update
          // An agent may skip the call and tell only of its progress.
          const name = update.name ?? update.title ?? update.kind ?? 'tool'
          const output = update.rawOutput ?? content ?? null
          return [
            ...begin(toolCallId, name, boundedObject(record(rawInput)), now),
            ...end(toolCallId, status, output, now),
          ]
        }
        case 'plan':
          return [
            ...flush(),
            { type: 'todo', todos: update.entries.map(({ content, status }) => ({ content, status })) },
          ]
        default:
          return []
      }
    },
  }
}
