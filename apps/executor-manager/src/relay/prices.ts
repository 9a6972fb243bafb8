import type { TokenUsage } from '@tutti/contracts'

interface Price {
  /** Dollars per million tokens. */
  input: number
  output: number
}

/** List prices by family, newest generation first. Only for turns that died before the runtime could tell its own sum. */
const prices: readonly (readonly [RegExp, Price])[] = [
  [/opus-4-[5-9]/, { input: 5, output: 25 }],
  [/opus/, { input: 15, output: 75 }],
  [/sonnet/, { input: 3, output: 15 }],
  [/haiku-4/, { input: 1, output: 5 }],
  [/haiku/, { input: 0.8, output: 4 }],
]

/** What a request cost at list prices; 0 for a model whose price is not known. */
export const costOf = (model: string, usage: TokenUsage): number => {
  const price = prices.find(([pattern]) => pattern.test(model))?.[1]
  if (price === undefined) return 0
  const input = usage.input_tokens + 1.25 * usage.cache_creation_input_tokens + 0.1 * usage.cache_read_input_tokens
  return (input * price.input + usage.output_tokens * price.output) / 1_000_000
}
