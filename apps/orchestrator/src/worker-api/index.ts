/** The worker protocol. */
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { requireWorkerToken } from '../auth/worker.ts'
import type { RouteDeps } from '../deps.ts'
import { eventRoutes } from './events.ts'
import { pollRoutes } from './poll.ts'
import { registerRoutes } from './register.ts'
import { resultRoutes } from './results.ts'
import { socketRoutes } from './socket.ts'

export const workerApi = (deps: RouteDeps): FastifyPluginAsyncZod => {
  return async (app) => {
    requireWorkerToken(app, deps.workers)
    await app.register(socketRoutes(deps))
    await app.register(registerRoutes(deps))
    await app.register(pollRoutes(deps))
    await app.register(resultRoutes(deps))
    await app.register(eventRoutes(deps))
  }
}
