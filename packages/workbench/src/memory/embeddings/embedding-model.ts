/** Asks a model behind an OpenAI-compatible address for the vectors of texts: texts that mean the same lie close together. */
import type { TokenUsage } from '@tutti/contracts'
import { z } from 'zod'
import { type OpenAiEndpoint, ProviderRefusedError, postOpenAi } from '../../openai/post.ts'
import { packVector } from './vector.ts'

export interface EmbeddingModelOptions extends OpenAiEndpoint {
  model: string
}

export interface EmbeddingModel {
  /** Vectors of two models can't be compared, so each is kept with the name of its own. */
  model: string
  /** The most that these texts may use. */
  most(texts: readonly string[]): TokenUsage
  /**
   * One vector for each text, in their order: see `packVector`.
   * @throws ProviderRefusedError when asking again would not help; any other Error when it may
   */
  embed(texts: readonly string[], signal: AbortSignal): Promise<{ vectors: Buffer[]; usage: TokenUsage }>
}

/** What such models read is bounded by about 8,000 tokens, and a text in some scripts has more tokens than characters. */
const longestText = 6_000

/** More than any model answers today; it also bounds what an answer may fill the table with. */
const mostDimensions = 8_192

const bodyFor = (model: string, texts: readonly string[]): string =>
  JSON.stringify({
    ...{ model, encoding_format: 'float' },
    input: texts.map((text) => text.slice(0, longestText).toWellFormed()),
  })

const answer = z.object({
  data: z.array(z.object({ index: z.int(), embedding: z.array(z.number()).min(1).max(mostDimensions) })),
  usage: z.object({ prompt_tokens: z.int().nonnegative() }).optional().catch(undefined),
})

const tokens = (input_tokens: number): TokenUsage => ({
  ...{ input_tokens, output_tokens: 0, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 },
})

export const createEmbeddingModel = ({ model, ...endpoint }: EmbeddingModelOptions): EmbeddingModel => ({
  model,
  most: (texts) => tokens(Math.ceil(bodyFor(model, texts).length / 2)),
  embed: async (texts, signal) => {
    const body = bodyFor(model, texts)
    const said = await postOpenAi(endpoint, '/embeddings', body, { what: 'the model of embeddings', signal })
    const { data, usage } = parsed(said)
    const byIndex = new Map(data.map(({ index, embedding }) => [index, embedding]))
    const vectors = texts.map((_, index) => packed(byIndex.get(index)))
    // A server that does not count is not free: then what was sent counts.
    return { vectors, usage: tokens(usage?.prompt_tokens ?? Math.ceil(body.length / 4)) }
  },
})

const parsed = (said: string): z.infer<typeof answer> => {
  try {
    return answer.parse(JSON.parse(said))
  } catch {
    throw new ProviderRefusedError('the model of embeddings answered no vectors')
  }
}

const packed = (embedding: readonly number[] | undefined): Buffer => {
  try {
    return packVector(embedding ?? [])
  } catch {
    throw new ProviderRefusedError('the model of embeddings answered too few vectors, or one without a direction')
  }
}
