import type { FastifyPluginAsync } from 'fastify'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'

/**
 * What a page must know before anybody has logged in: where the API is. `null`: at the page's own origin, whose server
 * passes requests on. No token needed, nothing secret told.
 */
export const configRoutes = ({ config }: RouteDeps): FastifyPluginAsync => {
  const told = ok({ api_url: config.publicApiUrl, ws_url: config.publicWsUrl })
  return async (app) => {
    app.get('/config', async () => told)
  }
}
