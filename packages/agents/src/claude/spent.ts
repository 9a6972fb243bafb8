/**
 * What a turn cost. The runtime reports running totals that go on over a resumed session, so a turn's own share is the
 * difference to the total before it; without that, every turn of a conversation would be billed for all turns before.
 */
import type { TokenUsage } from '@tutti/contracts'
import { count, finite, isRecord, type Loose, record } from '../loose.ts'

export interface Spent {
  usage: TokenUsage
  cost_usd: number
}

const usageOf = (source: Loose): TokenUsage => ({
  input_tokens: count(source.input_tokens),
  output_tokens: count(source.output_tokens),
  cache_creation_input_tokens: count(source.cache_creation_input_tokens),
  cache_read_input_tokens: count(source.cache_read_input_tokens),
})

const combine = (a: TokenUsage, b: TokenUsage, each: (a: number, b: number) => number): TokenUsage => ({
  input_tokens: each(a.input_tokens, b.input_tokens),
  output_tokens: each(a.output_tokens, b.output_tokens),
  cache_creation_input_tokens: each(a.cache_creation_input_tokens, b.cache_creation_input_tokens),
  cache_read_input_tokens: each(a.cache_read_input_tokens, b.cache_read_input_tokens),
})

export const nothingSpent: Spent = { usage: usageOf({}), cost_usd: 0 }

/** A stored value as an amount; anything else counts as nothing. */
export const spentOf = (value: unknown): Spent => {
  const source = record(value)
  return { usage: usageOf(record(source.usage)), cost_usd: Math.max(0, finite(source.cost_usd) ?? 0) }
}

/** The runtime knows prices of these only. For any other it charges a guess: a local model would seem to cost money. */
const hasPrice = (model: string): boolean => model.includes('claude')

/** The running total in a result message, sub-agents and helper calls included. What has no known price costs nothing. */
export const totalOf = (result: Loose): Spent => {
  const models = Object.entries(record(result.modelUsage)).flatMap(([name, model]) =>
    isRecord(model) ? [{ name, model }] : [],
  )
  const usage = models
    .map(({ model }) => ({
      input_tokens: count(model.inputTokens),
      output_tokens: count(model.outputTokens),
      cache_creation_input_tokens: count(model.cacheCreationInputTokens),
      cache_read_input_tokens: count(model.cacheReadInputTokens),
    }))
    .reduce((sum, model) => combine(sum, model, (a, b) => a + b), nothingSpent.usage)
  const priced = models.filter(({ name }) => hasPrice(name))
  return { usage, cost_usd: priced.reduce((sum, { model }) => sum + Math.max(0, finite(model.costUSD) ?? 0), 0) }
}

/** What was spent between two totals. A result of a crash may carry a smaller total: that is no refund. */
export const spentSince = (total: Spent, before: Spent): Spent => ({
  usage: combine(total.usage, before.usage, (a, b) => Math.max(0, a - b)),
  // Rounded to a millionth of a cent: a difference of binary fractions has digits that mean nothing.
  cost_usd: Math.max(0, Math.round((total.cost_usd - before.cost_usd) * 1e8) / 1e8),
})

/** The larger of two totals in every part: what the next turn starts from. */
export const furthest = (a: Spent, b: Spent): Spent => ({
  usage: combine(a.usage, b.usage, Math.max),
  cost_usd: Math.max(a.cost_usd, b.cost_usd),
})
