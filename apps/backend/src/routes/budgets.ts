import { envelope, modelCallView, putBudget, putOperatorBudget } from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'
import { cut, oneMore } from '../http/pages.ts'
import { idParams, pageQuery } from './params.ts'

/** How much agents may use, and have used. */
export const budgetRoutes = ({ workbench, config }: RouteDeps): FastifyPluginAsyncZod => {
  return async (app) => {
    app.get(
      '/budgets',
      { schema: { querystring: z.strictObject({ session_id: z.uuid().optional() }) } },
      async ({ query }) => ok(await workbench.budgets(config.userId, query.session_id)),
    )

    app.put('/budgets', { schema: { body: putBudget } }, async ({ body }) =>
      ok(await workbench.putBudget(config.userId, body)),
    )

    app.get(
      '/sessions/:id/model-calls',
      {
        schema: {
          tags: ['usage'],
          operationId: 'listModelCalls',
          summary: 'List the model calls of a session',
          params: idParams,
          querystring: pageQuery,
          response: { 200: envelope(z.array(modelCallView)) },
        },
      },
      async (request, reply) => {
        const { params, query } = request
        const found = await workbench.modelCalls(config.userId, params.id, oneMore(query))
        return ok(cut(request, reply, found, query.limit, () => ({ offset: query.offset + query.limit })))
      },
    )

    app.get('/sessions/:id/spending', { schema: { params: idParams } }, async ({ params }) =>
      ok(await workbench.sessionSpending(config.userId, params.id)),
    )
  }
}

/** The operator's limits, with the token that managers have too. */
export const operatorBudgetRoutes = ({ workbench }: RouteDeps): FastifyPluginAsyncZod => {
  return async (app) => {
    app.put('/internal/budgets', { schema: { body: putOperatorBudget } }, async ({ body }) =>
      ok(await workbench.putOperatorBudget(body)),
    )
  }
}
