/** Builds requests as an agent runtime sends them, and plays a conversation against the brain with tools of a test. */

import { type MessagesRequest, parseRequest, type Reply, reply } from '../src/scripted/index.ts'
import type { OutputBlock } from '../src/scripted/messages.ts'

export const usualTools = ['Bash', 'Read', 'Glob', 'Grep', 'Write', 'TodoWrite']

export type Message = { role: 'user' | 'assistant'; content: unknown }

const reminder = {
  type: 'text',
  text: '<system-reminder>\n# Environment\n - Primary working directory: /workspace\n</system-reminder>',
}

export const prompt = (text: string): Message => ({ role: 'user', content: [reminder, { type: 'text', text }] })

export const request = (messages: Message[], more: object = {}): MessagesRequest => {
  const tools = usualTools.map((name) => ({ name }))
  const parsed = parseRequest({ model: 'model-a', max_tokens: 100, messages, tools, ...more })
  if (typeof parsed === 'string') throw new Error(parsed)
  return parsed
}

export type Tool = (name: string, input: Record<string, unknown>) => string | Error

export interface Played {
  /** Every tool call, in order. */
  calls: { name: string; input: Record<string, unknown> }[]
  /** The text of the last answer. */
  answer: string
  messages: Message[]
}

const textIn = (blocks: OutputBlock[]): string =>
  blocks.map((block) => (block.type === 'text' ? block.text : '')).join('\n')

/** Plays until the model ends its turn. */
export const play = (messages: Message[], tool: Tool, more: object = {}): Played => {
  const conversation = [...messages]
  const calls: Played['calls'] = []
  for (let step = 0; step < 50; step += 1) {
    const answered: Reply = reply(request(conversation, more))
    if (answered.kind === 'error') throw new Error(`API error ${answered.status}`)
    conversation.push({ role: 'assistant', content: answered.blocks })
    if (answered.stop_reason === 'end_turn') return { calls, answer: textIn(answered.blocks), messages: conversation }
    const results = answered.blocks
      .filter((block) => block.type === 'tool_use')
      .map(({ id, name, input }) => {
        calls.push({ name, input })
        const result = tool(name, input)
        const is_error = result instanceof Error
        return { type: 'tool_result', tool_use_id: id, content: is_error ? result.message : result, is_error }
      })
    conversation.push({ role: 'user', content: [...results, reminder] })
  }
  throw new Error('the scripted model does not come to an end')
}
