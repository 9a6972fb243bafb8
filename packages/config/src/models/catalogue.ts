/**
 * The models of this installation: which may be asked, who serves each of them, and at what price. Made once at start;
 * what does not fit together is refused there with what to do, never dropped.
 */
import type { Fault } from '../fault.ts'
import type { modelVariables } from '../processes/models.ts'
import type { GivenProvider, ModelPrice } from '../variables/models.ts'
import type { ConfigOf, Environment } from '../variables/variable.ts'
import { listPriceOf } from './list-prices.ts'
import { matches, pick } from './patterns.ts'

export interface ModelProvider extends GivenProvider {
  /** Empty where none is set. */
  key: string
  /** Where it is reached unless an operator says otherwise; null for one that the operator has described. */
  defaultBaseUrl: string | null
  baseUrlVariable: string | null
}

export interface ModelCatalogue {
  defaultModel: string
  /** What users may choose; the default first. */
  models: readonly string[]
  providers: readonly ModelProvider[]
  /** Who serves the model; undefined: nobody. */
  providerOf(model: string): ModelProvider | undefined
  /** Whether users may choose it. */
  listed(model: string): boolean
  /** Whether an agent may ask it at all. */
  allowed(model: string): boolean
  /** Undefined: nobody has said what it costs. */
  priceOf(model: string): ModelPrice | undefined
}

type ModelConfig = ConfigOf<typeof modelVariables>

/** @param faults gets what can't be used */
export const modelCatalogue = (config: ModelConfig, env: Environment, faults: Fault[]): ModelCatalogue => {
  faults.push(...modelFaults(config, env))
  return catalogueOf(config, env)
}

/**
 * What does not fit together, of what could be read: so that one start shows every fault. A variable that could not be read has its own
 * fault, and no other is told that would only follow from it.
 */
export const modelFaults = (known: Partial<ModelConfig>, env: Environment): Fault[] => {
  const faults: Fault[] = []
  const described = (known.modelProviders ?? []).map((given) => fromOperator(given, env, faults))
  for (const { id } of described)
    if (builtInIds.includes(id)) faults.push(wrong('MODEL_PROVIDERS', `names ${id}, which is built in`, rename))
  const { modelProviders, anthropicBaseUrl } = known
  if (modelProviders === undefined || anthropicBaseUrl === undefined || anthropicBaseUrl !== anthropicAddress)
    return faults
  const served = [...described, ...builtInPatterns.map((models) => ({ models }))]
  for (const model of new Set([
    ...(known.defaultModel === undefined ? [] : [known.defaultModel]),
    ...(known.modelList ?? []),
  ]))
    if (!served.some(({ models }) => models.some((pattern) => pattern === model || matches(pattern, model)))) {
      const variable = model === known.defaultModel ? 'DEFAULT_MODEL' : 'MODEL_LIST'
      faults.push(wrong(variable, `names ${JSON.stringify(model)}, and no provider serves it`, unserved))
    }
  return faults
}

const catalogueOf = (config: ModelConfig, env: Environment): ModelCatalogue => {
  const described = config.modelProviders.map((given) => fromOperator(given, env, []))
  const known = builtIn(config)
  const providers = [...described, ...known]
  const gateway = config.anthropicBaseUrl === anthropicAddress ? undefined : known[0]

  const providerOf = (model: string): ModelProvider | undefined =>
    providers.find(({ models }) => models.includes(model)) ??
    providers.find(({ models }) => models.some((pattern) => matches(pattern, model))) ??
    gateway
  const models = [...new Set([config.defaultModel, ...config.modelList])]
  const listed = (model: string): boolean => models.includes(model)
  return {
    ...{ defaultModel: config.defaultModel, models, providers, providerOf, listed },
    allowed: (model) => listed(model) || config.allowedModels.some((pattern) => matches(pattern, model)),
    priceOf: (model) =>
      pick(config.modelPrices, model) ?? pick(providerOf(model)?.prices ?? none, model) ?? listPriceOf(model),
  }
}

/** Chosen models whose provider has no key: requests to it will be refused there. */
export const keylessProviders = (catalogue: ModelCatalogue): Fault[] => {
  const used = new Set(catalogue.models.map((model) => catalogue.providerOf(model)))
  return [...used].flatMap((provider) =>
    provider === undefined || provider.key !== '' || provider.keyVariable === null ? [] : keyless(provider),
  )
}

const none: ReadonlyMap<string, ModelPrice> = new Map()
const anthropicAddress = 'https://api.anthropic.com'

const builtInModels = {
  anthropic: ['claude-*'],
  glm: ['glm-*'],
  minimax: ['minimax-*', 'MiniMax-*'],
  deepseek: ['deepseek-*'],
}
const builtInIds = Object.keys(builtInModels)
const builtInPatterns = Object.values(builtInModels)

const builtIn = (config: ModelConfig): ModelProvider[] => [
  {
    ...{ id: 'anthropic', displayName: 'Anthropic', models: builtInModels.anthropic, prices: none },
    ...{ baseUrl: config.anthropicBaseUrl, defaultBaseUrl: anthropicAddress, baseUrlVariable: 'ANTHROPIC_BASE_URL' },
    // A token is sent as a bearer token, a key in its own header: a gateway that knows one does not know the other.
    ...(config.anthropicAuthToken === ''
      ? { auth: 'x-api-key', key: config.anthropicApiKey, keyVariable: 'ANTHROPIC_API_KEY' }
      : { auth: 'bearer', key: config.anthropicAuthToken, keyVariable: 'ANTHROPIC_AUTH_TOKEN' }),
  },
  {
    ...{ id: 'glm', displayName: 'GLM', models: builtInModels.glm, prices: none, auth: 'bearer' },
    ...{ key: config.glmApiKey, keyVariable: 'GLM_API_KEY' },
    ...{ baseUrl: config.glmBaseUrl, baseUrlVariable: 'GLM_BASE_URL' },
    defaultBaseUrl: 'https://open.bigmodel.cn/api/anthropic',
  },
  {
    ...{ id: 'minimax', displayName: 'MiniMax', models: builtInModels.minimax, prices: none, auth: 'bearer' },
    ...{ key: config.minimaxApiKey, keyVariable: 'MINIMAX_API_KEY' },
    ...{ baseUrl: config.minimaxBaseUrl, baseUrlVariable: 'MINIMAX_BASE_URL' },
    defaultBaseUrl: 'https://api.minimax.io/anthropic',
  },
  {
    ...{ id: 'deepseek', displayName: 'DeepSeek', models: builtInModels.deepseek, prices: none, auth: 'bearer' },
    ...{ key: config.deepseekApiKey, keyVariable: 'DEEPSEEK_API_KEY' },
    ...{ baseUrl: config.deepseekBaseUrl, baseUrlVariable: 'DEEPSEEK_BASE_URL' },
    defaultBaseUrl: 'https://api.deepseek.com/anthropic',
  },
]

const fromOperator = (given: GivenProvider, env: Environment, faults: Fault[]): ModelProvider => {
  const key = given.keyVariable === null ? '' : (env[given.keyVariable] ?? '')
  if (!/^[\x21-\x7e]*$/.test(key))
    faults.push(
      wrong(String(given.keyVariable), 'holds characters that a header can’t carry', 'Use visible ASCII only.'),
    )
  return { ...given, key, defaultBaseUrl: null, baseUrlVariable: null }
}

const wrong = (variable: string, what: string, remedy: string): Fault => ({
  source: 'environment',
  variable,
  what: `${variable} ${what}`,
  remedy,
})

const rename = 'Give it another id; for another address set the variable of the built-in provider.'
const unserved =
  'Name it in `models` of a provider in MODEL_PROVIDERS, or set ANTHROPIC_BASE_URL to a gateway that serves it.'

const keyless = ({ id, keyVariable }: ModelProvider): Fault => {
  const names = id === 'anthropic' ? 'neither ANTHROPIC_AUTH_TOKEN nor ANTHROPIC_API_KEY is' : `${keyVariable} is not`
  return {
    source: 'environment',
    variable: id === 'anthropic' ? 'ANTHROPIC_AUTH_TOKEN' : (keyVariable ?? id),
    what: `${names} set`,
    remedy: `Set it, unless the address of the provider ${id} needs none; without it runs on its models will fail.`,
  }
}
