/** Variables about models hold JSON: an id may have any character, and a provider has several fields. */
import { z } from 'zod'
import { fromText, refuse } from './schemas.ts'

/** Dollars per million tokens. */
export interface ModelPrice {
  input: number
  output: number
  cacheWrite: number
  cacheRead: number
}

/** As an operator describes a provider. */
export interface GivenProvider {
  id: string
  displayName: string
  baseUrl: string
  /** The environment variable that holds the key; null: it needs none. */
  keyVariable: string | null
  auth: 'bearer' | 'x-api-key'
  /** Ids, or patterns in which `*` stands for any text. */
  models: readonly string[]
  prices: ReadonlyMap<string, ModelPrice>
}

const dollars = z.number().nonnegative()
const price = z
  .strictObject({ input: dollars, output: dollars, cache_write: dollars.optional(), cache_read: dollars.optional() })
  .transform(
    ({ input, output, cache_write, cache_read }): ModelPrice => ({
      ...{ input, output },
      cacheWrite: cache_write ?? 1.25 * input,
      cacheRead: cache_read ?? 0.1 * input,
    }),
  )
const prices = z.record(z.string().min(1).max(200), price).transform((given) => new Map(Object.entries(given)))
const modelName = z.string().trim().min(1).max(200)

const provider = z
  .strictObject({
    id: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, 'must be a short name of small letters, digits, - and _'),
    display_name: z.string().min(1).max(100).optional(),
    base_url: z.url({ protocol: /^https?$/ }).transform((url) => url.replace(/\/+$/, '')),
    api_key_env: z
      .string()
      .regex(/^[A-Z_][A-Z0-9_]*$/, 'must be the name of an environment variable')
      .optional(),
    auth: z.enum(['bearer', 'x-api-key']).default('x-api-key'),
    models: z.array(modelName).min(1).max(1000),
    prices: prices.default(new Map()),
  })
  .transform(
    (given): GivenProvider => ({
      id: given.id,
      displayName: given.display_name ?? given.id,
      baseUrl: given.base_url,
      keyVariable: given.api_key_env ?? null,
      auth: given.auth,
      models: given.models,
      prices: given.prices,
    }),
  )

function fromJson<T>(accepts: string, example: string, schema: z.ZodType<T>): z.ZodType<T, string> {
  return fromText(accepts, (value) => {
    let json: unknown
    try {
      json = JSON.parse(value)
    } catch {
      return refuse('is no JSON', `Write it such as ${example}.`)
    }
    const parsed = schema.safeParse(json)
    if (parsed.success) return parsed.data
    const [issue] = parsed.error.issues
    const path = issue?.path.join('.') ?? ''
    return refuse(`is wrong${path === '' ? '' : ` at ${path}`}: ${issue?.message}`, `Write it such as ${example}.`)
  })
}

export const modelList = fromJson<readonly string[]>(
  'JSON array of ids of models',
  '["claude-sonnet-4-5","glm-4.6"]',
  z.array(modelName).max(1000),
)

export const modelPrices = fromJson<ReadonlyMap<string, ModelPrice>>(
  'JSON object of prices by model; * stands for any text',
  '{"glm-4.6":{"input":0.6,"output":2.2}}',
  prices,
)

const providerExample =
  '[{"id":"gateway","base_url":"https://llm.example","api_key_env":"GATEWAY_KEY","models":["gpt-*"]}]'

export const modelProviders = fromJson<readonly GivenProvider[]>(
  'JSON array of providers',
  providerExample,
  z
    .array(provider)
    .max(100)
    .refine((all) => new Set(all.map(({ id }) => id)).size === all.length, 'two providers have one id'),
)
