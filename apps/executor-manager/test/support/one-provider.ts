import { modelCatalogue } from '@tutti/config'
import type { ModelAccess } from '../../src/deps.ts'
import { modelAccess } from '../../src/model-access.ts'

/** As from an environment with one provider that serves every model. */
export const oneProvider = (given: {
  baseUrl: string
  key: string
  name: string
  allowedModels: string[]
}): ModelAccess =>
  modelAccess(
    modelCatalogue(
      {
        ...{ anthropicAuthToken: '', anthropicApiKey: given.key, anthropicBaseUrl: given.baseUrl },
        ...{ glmApiKey: '', glmBaseUrl: 'http://glm', minimaxApiKey: '', minimaxBaseUrl: 'http://minimax' },
        ...{ deepseekApiKey: '', deepseekBaseUrl: 'http://deepseek', modelProviders: [], modelPrices: new Map() },
        ...{ defaultModel: given.name, modelList: [], allowedModels: given.allowedModels },
      },
      {},
      [],
    ),
  )
