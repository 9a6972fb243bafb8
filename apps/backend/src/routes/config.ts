import { envelope } from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'

const configView = z.object({ api_url: z.string().nullable(), ws_url: z.string().nullable() })

/**
 * What a page must know before anybody has logged in: where the API is. `null`: at the page's own origin, whose server
 * passes requests on. No token needed, nothing secret told.
 */
export const configRoutes = ({ config }: RouteDeps): FastifyPluginAsyncZod => {
  const told = ok({ api_url: config.publicApiUrl, ws_url: config.publicWsUrl })
  return async (app) => {
    app.get(
      '/config',
      {
        schema: {
          ...{ tags: ['public'], security: [], operationId: 'readConfig', summary: 'Read where the API is' },
          response: { 200: envelope(configView) },
        },
      },
      async () => told,
    )
  }
}
