/** Which models there are, who provides them, and what they cost. The manager asks them; the backend tells users. */

import { modelList, modelPrices, modelProviders } from '../variables/models.ts'
import { headerToken, httpUrl, modelPatterns, text } from '../variables/schemas.ts'
import type { Variable, VariableTable } from '../variables/variable.ts'

const keyOf = (name: string, provider: string): Variable<string> & { name: string } => ({
  name,
  default: '',
  description: `Key of the provider ${provider}. It never enters a sandbox.`,
  schema: headerToken,
  secret: true,
})

const addressOf = (name: string, provider: string, address: string): Variable<string> & { name: string } => ({
  name,
  default: address,
  description: `Address of the provider ${provider}; it has to speak the Anthropic Messages API.`,
  schema: httpUrl,
})

export const modelVariables = {
  anthropicAuthToken: {
    name: 'ANTHROPIC_AUTH_TOKEN',
    default: '',
    description: 'Token for the model provider, sent as a bearer token. It never enters a sandbox.',
    schema: headerToken,
    secret: true,
  },
  anthropicApiKey: {
    name: 'ANTHROPIC_API_KEY',
    default: '',
    description: 'API key for the model provider, used when ANTHROPIC_AUTH_TOKEN is empty. It never enters a sandbox.',
    schema: headerToken,
    secret: true,
  },
  anthropicBaseUrl: {
    name: 'ANTHROPIC_BASE_URL',
    default: 'https://api.anthropic.com',
    description:
      'Address of the model provider. Another one than the default is a gateway: it gets every model that no other provider serves.',
    schema: httpUrl,
  },
  glmApiKey: keyOf('GLM_API_KEY', 'glm'),
  glmBaseUrl: addressOf('GLM_BASE_URL', 'glm', 'https://open.bigmodel.cn/api/anthropic'),
  minimaxApiKey: keyOf('MINIMAX_API_KEY', 'minimax'),
  minimaxBaseUrl: addressOf('MINIMAX_BASE_URL', 'minimax', 'https://api.minimax.io/anthropic'),
  deepseekApiKey: keyOf('DEEPSEEK_API_KEY', 'deepseek'),
  deepseekBaseUrl: addressOf('DEEPSEEK_BASE_URL', 'deepseek', 'https://api.deepseek.com/anthropic'),
  modelProviders: {
    name: 'MODEL_PROVIDERS',
    default: '[]',
    description: 'Further providers. See the guide of models and budgets.',
    schema: modelProviders,
  },
  defaultModel: {
    name: 'DEFAULT_MODEL',
    default: 'claude-sonnet-4-20250514',
    description: 'The model of runs that name none.',
    schema: text,
  },
  modelList: {
    name: 'MODEL_LIST',
    default: '[]',
    description: 'The models that users may choose beside DEFAULT_MODEL: any id, as long as a provider serves it.',
    schema: modelList,
  },
  allowedModels: {
    name: 'ALLOWED_MODELS',
    default: 'claude-*',
    description: 'Models that may be asked beside the listed ones: for sub-agents and the runtime’s small requests.',
    schema: modelPatterns,
  },
  modelPrices: {
    name: 'MODEL_PRICES',
    default: '{}',
    description:
      'Dollars per million tokens, by model: {"glm-*": {"input": 0.6, "output": 2.2}}, with cache_write and cache_read where they differ from 1.25 and 0.1 times the input. Before the list prices of Claude models.',
    schema: modelPrices,
  },
} satisfies VariableTable
