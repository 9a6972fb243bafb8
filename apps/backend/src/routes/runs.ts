import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'
import { cut, oneMore } from '../http/pages.ts'
import { idParams, pageQuery, toolsQuery } from './params.ts'
import { toolDelta, toolDeltaQuery } from './tool-deltas.ts'

/** Runs, as their user sees them. */
export const runRoutes = ({ workbench, config }: RouteDeps): FastifyPluginAsyncZod => {
  const { userId } = config
  return async (app) => {
    app.get('/runs/:id', { schema: { params: idParams } }, async ({ params }) =>
      ok(await workbench.run(userId, params.id)),
    )

    app.get('/runs/session/:id', { schema: { params: idParams, querystring: pageQuery } }, async (request, reply) => {
      const { params, query } = request
      const found = await workbench.runs(userId, params.id, oneMore(query))
      return ok(cut(request, reply, found, query.limit, () => ({ offset: query.offset + query.limit })))
    })

    app.get(
      '/runs/:id/tool-executions',
      { schema: { params: idParams, querystring: toolsQuery } },
      async (request, reply) => {
        const { params, query } = request
        const found = await workbench.toolExecutionsOfRun(userId, params.id, oneMore(query))
        return ok(cut(request, reply, found, query.limit, () => ({ offset: query.offset + query.limit })))
      },
    )

    app.get(
      '/runs/:id/tool-executions/delta',
      { schema: { params: idParams, querystring: toolDeltaQuery } },
      async ({ params, query }) => {
        const of = { runId: params.id }
        return ok(await toolDelta((page) => workbench.changedToolExecutions(userId, of, page), query))
      },
    )
  }
}
