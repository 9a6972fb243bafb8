/** The part of the Anthropic Messages API that the scripted model reads and answers with. */
import { isRecord, type Loose, record, records, text } from '../loose.ts'

export type InputBlock =
  | { type: 'text'; text: string }
  | { type: 'thinking'; thinking: string }
  | { type: 'tool_use'; id: string; name: string; input: Record<string, unknown> }
  | { type: 'tool_result'; tool_use_id: string; text: string; is_error: boolean }

export interface InputMessage {
  role: 'user' | 'assistant'
  blocks: InputBlock[]
}

export interface MessagesRequest {
  model: string
  system: string
  messages: InputMessage[]
  /** Names of the tools that the caller offers. Only these may be called. */
  tools: string[]
  stream: boolean
  /** True when the caller asks for JSON of a given shape instead of prose. */
  wantsJson: boolean
  /** Who asks, as far as the caller says so: keeps two sessions with the same words apart. */
  user: string
  /** Characters of everything that was sent, from which the input tokens are estimated. */
  chars: number
}

export type OutputBlock =
  | { type: 'text'; text: string }
  | { type: 'thinking'; thinking: string }
  | { type: 'tool_use'; id: string; name: string; input: Record<string, unknown> }

/** The text of a `content` field, which the API allows to be a string or a list of blocks. */
export const textOf = (content: unknown): string =>
  typeof content === 'string'
    ? content
    : records(content)
        .map((block) => text(block.text))
        .filter((part) => part !== '')
        .join('\n')

const inputBlock = (block: Loose): InputBlock | undefined => {
  switch (block.type) {
    case 'text':
      return { type: 'text', text: text(block.text) }
    case 'thinking':
      return { type: 'thinking', thinking: text(block.thinking) }
    case 'tool_use':
      return {
        type: 'tool_use',
        id: text(block.id),
        name: text(block.name),
        input: record(block.input),
      }
    case 'tool_result':
      return {
        type: 'tool_result',
        tool_use_id: text(block.tool_use_id),
        text: textOf(block.content),
        is_error: block.is_error === true,
      }
    default:
      // Images, documents and block types of later API versions: nothing here can read them.
      return undefined
  }
}

const inputMessage = (message: Loose): InputMessage | undefined => {
  const role = message.role
  if (role !== 'user' && role !== 'assistant') return undefined
  const content = message.content
  const blocks = typeof content === 'string' ? [{ type: 'text', text: content }] : records(content)
  return { role, blocks: blocks.map(inputBlock).filter((block) => block !== undefined) }
}

/** Reads a request body; a string says what is wrong with it, in the words of an API error. */
export const parseRequest = (request: unknown): MessagesRequest | string => {
  if (!isRecord(request)) return 'The request body is not a JSON object.'
  if (text(request.model) === '') return 'model: Field required'
  if (!Array.isArray(request.messages)) return 'messages: Field required'
  const messages = records(request.messages)
    .map(inputMessage)
    .filter((message) => message !== undefined)
  if (messages.length === 0) return 'messages: at least one message is required'
  return {
    model: text(request.model),
    system: textOf(request.system),
    messages,
    tools: records(request.tools)
      .map((tool) => text(tool.name))
      .filter((name) => name !== ''),
    stream: request.stream === true,
    wantsJson: record(record(request.output_config).format).type === 'json_schema',
    user: text(record(request.metadata)?.user_id),
    chars: [request.system, request.messages, request.tools].reduce<number>(
      (sum, part) => sum + (part === undefined ? 0 : JSON.stringify(part).length),
      0,
    ),
  }
}
