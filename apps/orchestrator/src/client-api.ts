/** The client API: everything that wants a client's token. Mounted once for each prefix. */
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { requireClient } from './auth/client.ts'
import type { RouteDeps } from './deps.ts'
import { limitClients } from './http/client-rates.ts'
import { adminRoutes } from './routes/admin.ts'
import { approvalRoutes } from './routes/approvals.ts'
import { blueprintRoutes } from './routes/blueprints.ts'
import { clientStreamRoutes } from './routes/client-stream.ts'
import { endpointRoutes, olderForm } from './routes/endpoints.ts'
import { explainRoutes } from './routes/explain.ts'
import { fileRoutes } from './routes/files.ts'
import { historyRoutes } from './routes/history.ts'
import { jobActionRoutes } from './routes/job-actions.ts'
import { jobStreamRoutes } from './routes/job-stream.ts'
import { jobRoutes } from './routes/jobs.ts'
import { overviewRoutes } from './routes/overview.ts'
import { scheduleRoutes } from './routes/schedules.ts'
import { webhookRoutes } from './routes/webhooks.ts'
import { workerListRoutes } from './routes/workers.ts'

export const clientApi = (deps: RouteDeps): FastifyPluginAsyncZod => {
  return async (app) => {
    requireClient(app, deps.clients)
    limitClients(app, deps.clientLimit)
    app.decorateRequest(olderForm, false)
    await app.register(jobRoutes(deps))
    await app.register(fileRoutes(deps))
    await app.register(jobStreamRoutes(deps))
    await app.register(approvalRoutes(deps, '/jobs/:id/approve'))
    await app.register(blueprintRoutes(deps))
    await app.register(workerListRoutes(deps))
    await app.register(jobActionRoutes(deps))
    await app.register(explainRoutes(deps))
    await app.register(overviewRoutes(deps))
    await app.register(scheduleRoutes(deps))
    await app.register(webhookRoutes(deps))
    await app.register(clientStreamRoutes(deps))
    await app.register(historyRoutes(deps))
    await app.register(adminRoutes(deps))
    // Last, so that an endpoint that the API has itself is found out.
    await app.register(endpointRoutes(deps))
  }
}
