import { modelCatalogue } from '@tutti/config'
import type { ModelAccess } from '../../src/deps.ts'
import { modelAccess } from '../../src/model-access.ts'

type Config = Parameters<typeof modelCatalogue>[0]

/** As from an environment in which only this is set. */
export const catalogueConfig = (given: Partial<Config>): Config => ({
  ...{ anthropicAuthToken: '', anthropicApiKey: '', anthropicBaseUrl: 'https://api.anthropic.com' },
  ...{ glmApiKey: '', glmBaseUrl: 'http://glm', minimaxApiKey: '', minimaxBaseUrl: 'http://minimax' },
  ...{ deepseekApiKey: '', deepseekBaseUrl: 'http://deepseek', modelProviders: [], modelPrices: new Map() },
  ...{ defaultModel: 'claude-sonnet-4-5', modelList: [], allowedModels: [] },
  ...given,
})

/** One provider that serves every model. */
export const oneProvider = (given: {
  baseUrl: string
  key: string
  name: string
  allowedModels: string[]
}): ModelAccess => {
  const { baseUrl: anthropicBaseUrl, key: anthropicApiKey, name: defaultModel, allowedModels } = given
  return modelAccess(
    modelCatalogue(catalogueConfig({ anthropicBaseUrl, anthropicApiKey, defaultModel, allowedModels }), {}, []),
  )
}
