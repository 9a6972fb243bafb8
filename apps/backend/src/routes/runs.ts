import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'
import { idParams, pageQuery } from './params.ts'

/** Runs, as their user sees them. */
export const runRoutes = ({ workbench, config }: RouteDeps): FastifyPluginAsyncZod => {
  return async (app) => {
    app.get('/runs/:id', { schema: { params: idParams } }, async ({ params }) =>
      ok(await workbench.run(config.userId, params.id)),
    )

    app.get('/runs/session/:id', { schema: { params: idParams, querystring: pageQuery } }, async ({ params, query }) =>
      ok(await workbench.runs(config.userId, params.id, query)),
    )
  }
}
