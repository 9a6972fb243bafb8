/** Reading off the answers that pass what they used. */
import type { TokenUsage } from '@tutti/contracts'

export interface Spent extends TokenUsage {
  cost_usd: number
}

export const noTokens: TokenUsage = {
  input_tokens: 0,
  output_tokens: 0,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: 0,
}

export const usageNames = [
  'input_tokens',
  'output_tokens',
  'cache_creation_input_tokens',
  'cache_read_input_tokens',
] as const

/** Reads usage off an answer of the Messages API while its bytes pass. */
export interface UsageReader {
  push(chunk: Buffer): void
  /** What was used as far as the answer came; undefined when it said nothing of it. */
  usage(): TokenUsage | undefined
}

/** An event that carries usage is a few hundred bytes; what is longer carries content and is not kept. */
const longestLine = 64 * 1024
/** A whole answer that is not streamed; beyond it the tokens stay uncounted, and memory bounded. */
const longestAnswer = 4 * 1024 * 1024

/** Of a line with a piece of the answer: what stands around the piece, and how many bytes make a token about. */
const frameBytes = 110
const bytesPerToken = 4

/**
 * For a stream of events: the first says what went in, a later one how much came out in all. Where that one never comes, because
 * the stream was cut, the pieces are counted instead.
 */
export const createStreamReader = (): UsageReader => {
  let line = ''
  let skipping = false
  let found: TokenUsage | undefined
  let told = false
  let pieces = 0

  const read = (text: string): void => {
    if (text.startsWith('data:') && text.includes('"content_block_delta"')) {
      pieces += Math.max(1, Math.round((text.length - frameBytes) / bytesPerToken))
      return
    }
    if (!text.startsWith('data:') || !text.includes('"usage"')) return
    const value = parse(text.slice('data:'.length))
    const usage = fieldOf(value, 'usage') ?? fieldOf(fieldOf(value, 'message'), 'usage')
    if (usage === undefined) return
    told = fieldOf(value, 'usage') !== undefined
    found = merge(found ?? noTokens, usage)
  }

  return {
    push: (chunk) => {
      const lines = chunk.toString('latin1').split('\n')
      for (const [index, part] of lines.entries()) {
        if (index > 0) {
          if (!skipping) read(line)
          line = ''
          skipping = false
        }
        if (skipping) continue
        line += part
        if (line.length > longestLine) {
          line = ''
          skipping = true
        }
      }
    },
    usage: () =>
      found === undefined || told ? found : { ...found, output_tokens: Math.max(found.output_tokens, pieces) },
  }
}

/** For an answer in one piece. */
export const createWholeReader = (): UsageReader => {
  const chunks: Buffer[] = []
  let size = 0
  return {
    push: (chunk) => {
      size += chunk.length
      if (size <= longestAnswer) chunks.push(chunk)
    },
    usage: () => {
      if (size > longestAnswer) return undefined
      const usage = fieldOf(parse(Buffer.concat(chunks).toString('utf8')), 'usage')
      return usage === undefined ? undefined : merge(noTokens, usage)
    },
  }
}

/** Numbers of a later event replace the earlier ones: they count from the beginning of the answer. */
const merge = (before: TokenUsage, usage: unknown): TokenUsage => {
  const merged = { ...before }
  for (const name of usageNames) {
    const value = fieldOf(usage, name)
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) merged[name] = value
  }
  return merged
}

const fieldOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
