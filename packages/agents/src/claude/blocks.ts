/** Content blocks of the runtime's messages, in the shape of the contract. */
import type { ContentBlock, Json, JsonObject, Todo } from '@tutti/contracts'
import { isRecord, type Loose, record, records, text } from '../loose.ts'

/**
 * An image or a huge output in a tool's answer would make one event larger than a relay accepts, and the turn would
 * never end. Text beyond this is cut; the whole of it stays in the runtime's own session.
 */
export const longestText = 200_000

const cut = (value: string): string =>
  value.length <= longestText ? value : `${value.slice(0, longestText)}… (${value.length - longestText} characters cut)`

/** Any value as JSON with bounded texts. What JSON cannot hold is left out. */
export const boundedJson = (value: unknown): Json => {
  if (typeof value === 'string') return cut(value)
  if (typeof value === 'boolean' || value === null) return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  if (Array.isArray(value)) return value.map(boundedJson)
  return isRecord(value) ? boundedObject(value) : null
}

export const boundedObject = (value: Loose): JsonObject =>
  Object.fromEntries(
    Object.entries(value)
      .filter(([, part]) => part !== undefined)
      .map(([key, part]) => [key, boundedJson(part)]),
  )

const contentBlock = (block: Loose): ContentBlock | undefined => {
  switch (block.type) {
    case 'text':
      return { type: 'text', text: cut(text(block.text)) }
    case 'thinking':
      return { type: 'thinking', thinking: cut(text(block.thinking)) }
    case 'tool_use':
      return {
        type: 'tool_use',
        id: text(block.id),
        name: text(block.name),
        input: boundedObject(record(block.input)),
      }
    case 'tool_result':
      return {
        type: 'tool_result',
        tool_use_id: text(block.tool_use_id),
        content: boundedJson(block.content),
        is_error: block.is_error === true,
      }
    default:
      return undefined
  }
}

/** The blocks of a message's content; kinds that the contract does not know are left out. */
export const contentBlocks = (content: unknown): ContentBlock[] =>
  typeof content === 'string'
    ? [{ type: 'text', text: cut(content) }]
    : records(content)
        .map(contentBlock)
        .filter((block) => block !== undefined)

const statuses = ['pending', 'in_progress', 'completed'] as const

/** The list that a TodoWrite call carries. */
export const todos = (input: Loose): Todo[] =>
  records(input.todos).map((item) => {
    const active = text(item.activeForm)
    return {
      content: text(item.content),
      status: statuses.find((status) => status === item.status) ?? 'pending',
      ...(active === '' ? {} : { active_form: active }),
    }
  })
