/**
 * What a run has asked of the model, counted where the answers pass. The runtime adds up its own account; this one is
 * there when the runtime dies before it tells.
 */
import type { TokenUsage } from '@tutti/contracts'
import { costOf } from './prices.ts'

export interface Spent extends TokenUsage {
  cost_usd: number
}

export interface Meter {
  add(model: string, usage: TokenUsage): void
  spent(): Spent
}

export const noTokens: TokenUsage = {
  input_tokens: 0,
  output_tokens: 0,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: 0,
}

export const createMeter = (): Meter => {
  const sum: Spent = { ...noTokens, cost_usd: 0 }
  return {
    add: (model, usage) => {
      for (const name of usageNames) sum[name] += usage[name]
      sum.cost_usd += costOf(model, usage)
    },
    spent: () => ({ ...sum }),
  }
}

const usageNames = ['input_tokens', 'output_tokens', 'cache_creation_input_tokens', 'cache_read_input_tokens'] as const

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

/** For a stream of events: the first says what went in, the later ones how much has come out so far. */
export const createStreamReader = (): UsageReader => {
  let line = ''
  let skipping = false
  let found: TokenUsage | undefined

  const read = (text: string): void => {
    if (!text.startsWith('data:') || !text.includes('"usage"')) return
    const value = parse(text.slice('data:'.length))
    const usage = fieldOf(value, 'usage') ?? fieldOf(fieldOf(value, 'message'), 'usage')
    if (usage !== undefined) found = merge(found ?? noTokens, usage)
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
    usage: () => found,
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
