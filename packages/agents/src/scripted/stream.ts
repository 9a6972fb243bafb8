/** A reply in the two forms of the Messages API: one JSON message, or the server-sent events of a streamed one. */
import type { Reply } from './brain.ts'
import type { OutputBlock } from './messages.ts'

type MessageReply = Extract<Reply, { kind: 'message' }>

const pieceLength = 40

/** Cuts a text into pieces that never split a surrogate pair: half of one would arrive as a broken character. */
const pieces = (text: string): string[] => {
  const characters = Array.from(text)
  const result: string[] = []
  for (let at = 0; at < characters.length; at += pieceLength) {
    result.push(characters.slice(at, at + pieceLength).join(''))
  }
  return result
}

const usage = ({ usage: { input_tokens, output_tokens } }: MessageReply, soFar: number = output_tokens) => ({
  input_tokens,
  output_tokens: soFar,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: 0,
})

const signed = (block: OutputBlock) => (block.type === 'thinking' ? { ...block, signature: 'scripted' } : block)

/** The answer to a request without `stream`. */
export const wholeMessage = (reply: MessageReply, model: string) => ({
  id: reply.id,
  type: 'message',
  role: 'assistant',
  model,
  content: reply.blocks.map(signed),
  stop_reason: reply.stop_reason,
  stop_sequence: null,
  usage: usage(reply),
})

const event = (type: string, data: object): string => `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`

function* blockEvents(block: OutputBlock, index: number): Generator<string> {
  const delta = (value: object) => event('content_block_delta', { index, delta: value })
  if (block.type === 'text') {
    yield event('content_block_start', { index, content_block: { type: 'text', text: '' } })
    for (const text of pieces(block.text)) yield delta({ type: 'text_delta', text })
  } else if (block.type === 'thinking') {
    yield event('content_block_start', { index, content_block: { type: 'thinking', thinking: '', signature: '' } })
    for (const thinking of pieces(block.thinking)) yield delta({ type: 'thinking_delta', thinking })
    yield delta({ type: 'signature_delta', signature: 'scripted' })
  } else {
    yield event('content_block_start', { index, content_block: { ...block, input: {} } })
    for (const part of pieces(JSON.stringify(block.input)))
      yield delta({ type: 'input_json_delta', partial_json: part })
  }
  yield event('content_block_stop', { index })
}

/** The server-sent events of a streamed answer, one string per event. */
export function* messageEvents(reply: MessageReply, model: string): Generator<string> {
  const start = { ...wholeMessage(reply, model), content: [], stop_reason: null, usage: usage(reply, 1) }
  yield event('message_start', { message: start })
  yield event('ping', {})
  for (const [index, block] of reply.blocks.entries()) yield* blockEvents(block, index)
  yield event('message_delta', {
    delta: { stop_reason: reply.stop_reason, stop_sequence: null },
    usage: usage(reply),
  })
  yield event('message_stop', {})
}
