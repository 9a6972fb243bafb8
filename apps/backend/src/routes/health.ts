import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'

/** For load balancers and people: no token needed, nothing told. */
export const healthRoutes = ({ version }: Pick<RouteDeps, 'version'>): FastifyPluginAsyncZod => {
  const health = ok({ service: 'tutti-backend', status: 'ok', ...(version === undefined ? {} : { version }) })
  return async (app) => {
    app.get('/', async () => health)
    app.get('/health', async () => health)
  }
}
