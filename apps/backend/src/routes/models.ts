import { envelope, type ModelsView, modelsView } from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'

/** Which models users may choose, and who provides them. */
export const modelRoutes = ({ models }: RouteDeps): FastifyPluginAsyncZod => {
  const view = models && viewModels(models)
  return async (app) => {
    app.get(
      '/models',
      {
        schema: {
          tags: ['models'],
          operationId: 'listModels',
          summary: 'List the models that may be chosen, and who provides them',
          response: { 200: envelope(modelsView) },
        },
      },
      async () => ok(view ?? nothing),
    )
  }
}

const nothing: ModelsView = { default_model: '', model_list: [], mem0_enabled: true, models: [], providers: [] }

type Models = NonNullable<RouteDeps['models']>

const viewModels = ({ defaultModel, models, providers, providerOf, priceOf }: Models): ModelsView => ({
  default_model: defaultModel,
  model_list: [...models],
  mem0_enabled: true,
  models: models.map((id) => {
    const price = priceOf(id)
    return {
      ...{ model_id: id, display_name: id, provider_id: providerOf(id)?.id ?? '' },
      price:
        price === undefined
          ? null
          : { input: price.input, output: price.output, cache_write: price.cacheWrite, cache_read: price.cacheRead },
    }
  }),
  providers: providers.map((provider) => {
    const own = models.filter((id) => providerOf(id)?.id === provider.id)
    return {
      ...{ provider_id: provider.id, display_name: provider.displayName },
      ...{ api_key_env_key: provider.keyVariable, base_url_env_key: provider.baseUrlVariable },
      // Whether there is one, never which.
      credential_state: provider.key === '' ? 'none' : 'system',
      default_base_url: provider.defaultBaseUrl,
      effective_base_url: withoutSecrets(provider.baseUrl),
      base_url_source: provider.baseUrl === provider.defaultBaseUrl ? 'default' : 'system',
      known_models: own.map((id): [string, string] => [id, id]),
      models: own,
    }
  }),
})

/** A gateway's address may hold a user name and a password. */
const withoutSecrets = (address: string): string => {
  const url = new URL(address)
  url.username = ''
  url.password = ''
  url.search = ''
  return url.href.replace(/\/+$/, '')
}
