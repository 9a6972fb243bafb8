import { costAt, type ModelCatalogue, type ModelProvider } from '@tutti/config'
import type { ModelAccess, ModelRoute } from './deps.ts'

type Catalogue = Pick<ModelCatalogue, 'defaultModel' | 'allowed' | 'providerOf' | 'priceOf'>

export const modelAccess = (models: Catalogue): ModelAccess => {
  const routeOf = (model: string): ModelRoute | undefined => {
    const provider = models.allowed(model) ? models.providerOf(model) : undefined
    return provider && { provider: provider.id, baseUrl: provider.baseUrl, headers: keyHeaders(provider) }
  }
  return {
    name: models.defaultModel,
    routeOf,
    costOf: (model, usage) => {
      const price = models.priceOf(model)
      return price === undefined ? null : costAt(price, usage)
    },
  }
}

const keyHeaders = ({ auth, key }: ModelProvider): Record<string, string> => {
  if (key === '') return {}
  return auth === 'bearer' ? { authorization: `Bearer ${key}` } : { 'x-api-key': key }
}
