import type { TokenUsage } from '@tutti/contracts'
import type { ModelPrice } from '../variables/models.ts'

/** What a call cost, in dollars. */
export const costAt = (price: ModelPrice, usage: TokenUsage): number =>
  (usage.input_tokens * price.input +
    usage.output_tokens * price.output +
    usage.cache_creation_input_tokens * price.cacheWrite +
    usage.cache_read_input_tokens * price.cacheRead) /
  1_000_000
