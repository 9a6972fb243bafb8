import type { ModelPrice } from '../variables/models.ts'

const perMillion = (input: number, output: number): ModelPrice => ({
  ...{ input, output },
  cacheWrite: 1.25 * input,
  cacheRead: 0.1 * input,
})

/** List prices of Claude models by family, newest generation first. MODEL_PRICES comes before them. */
const prices: readonly (readonly [RegExp, ModelPrice])[] = [
  [/^claude-.*opus-4-[5-9]/, perMillion(5, 25)],
  [/^claude-.*opus/, perMillion(15, 75)],
  [/^claude-.*sonnet/, perMillion(3, 15)],
  [/^claude-.*haiku-4/, perMillion(1, 5)],
  [/^claude-.*haiku/, perMillion(0.8, 4)],
]

export const listPriceOf = (model: string): ModelPrice | undefined => prices.find(([family]) => family.test(model))?.[1]
