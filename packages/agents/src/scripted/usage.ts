/** Token numbers as a real answer would carry them, estimated from the lengths of the texts. */
import type { MessagesRequest, OutputBlock } from './messages.ts'

/** About four characters make a token in English prose and code; the point is a plausible number, not a count. */
const tokens = (chars: number): number => Math.max(1, Math.ceil(chars / 4))

export const inputTokens = (request: Pick<MessagesRequest, 'chars'>): number => tokens(request.chars)

const chars = (block: OutputBlock): number => {
  if (block.type === 'text') return block.text.length
  if (block.type === 'thinking') return block.thinking.length
  return block.name.length + JSON.stringify(block.input).length
}

export const outputTokens = (blocks: OutputBlock[]): number =>
  tokens(blocks.reduce((sum, block) => sum + chars(block), 0))
