/** The worker protocol. */
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { createIdentify, type Identify, requireWorker } from '../auth/worker/index.ts'
import { createSignatures, type Signatures } from '../auth/worker/signature.ts'
import { createWorkerTokens, type WorkerTokens } from '../auth/worker/tokens.ts'
import type { RouteDeps } from '../deps.ts'
import { createEventCheck } from './event-schemas.ts'
import { eventRoutes } from './events.ts'
import { fileRoutes } from './files.ts'
import { heartbeatRoutes } from './heartbeat.ts'
import { pollRoutes } from './poll.ts'
import { createRateLimits, type RateLimits } from './rates.ts'
import { registerRoutes } from './register.ts'
import { resultRoutes } from './results.ts'
import { rememberSignatures } from './signed.ts'
import { socketRoutes } from './socket.ts'
import { tokenRoutes } from './tokens.ts'

/** What the routes of workers share beside the rest. */
export interface WorkerRouteDeps extends RouteDeps {
  identify: Identify
  signatures: Signatures
  rates: RateLimits
  tokens: WorkerTokens
  checkEvent: ReturnType<typeof createEventCheck>
}

export const workerApi = (given: RouteDeps): FastifyPluginAsyncZod => {
  const { settings, workers, secretOf, store, records = store, now = Date.now } = given
  const tokens = createWorkerTokens({
    records,
    accessMs: settings.accessTokenMs,
    refreshMs: settings.refreshTokenMs,
    isCurrent: workers.isCurrent,
  })
  const deps: WorkerRouteDeps = {
    ...given,
    tokens,
    identify: createIdentify({ workers, tokens, mode: settings.workerAuthMode }),
    signatures: createSignatures({ mode: settings.workerSignatures, secretOf, now }),
    rates: createRateLimits(settings.workerRates, now),
    checkEvent: createEventCheck(given),
  }
  return async (app) => {
    requireWorker(app, deps.identify)
    rememberSignatures(app)
    await app.register(tokenRoutes(deps))
    await app.register(socketRoutes(deps))
    await app.register(registerRoutes(deps))
    await app.register(heartbeatRoutes(deps))
    await app.register(pollRoutes(deps))
    await app.register(resultRoutes(deps))
    await app.register(eventRoutes(deps))
    await app.register(fileRoutes(deps))
  }
}
