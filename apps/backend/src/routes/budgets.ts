import { budgetView, envelope, modelCallView, putBudget, putOperatorBudget, spending } from '@tutti/contracts'
import { failures } from '@tutti/openapi'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'
import { cut, oneMore } from '../http/pages.ts'
import { idParams, pageQuery } from './params.ts'

const tags = ['budgets']

/** How much agents may use, and have used. */
export const budgetRoutes = ({ workbench, config }: RouteDeps): FastifyPluginAsyncZod => {
  return async (app) => {
    app.get(
      '/budgets',
      {
        schema: {
          tags,
          operationId: 'listBudgets',
          summary: 'List the limits that hold for you, with what counts against them',
          querystring: z.strictObject({ session_id: z.uuid().optional() }),
          response: { 200: envelope(budgetView.array()), ...failures('SESSION_NOT_FOUND') },
        },
      },
      async ({ query }) => ok(await workbench.budgets(config.userId, query.session_id)),
    )

    app.put(
      '/budgets',
      {
        schema: {
          tags,
          operationId: 'putBudget',
          summary: 'Set a limit of your own',
          body: putBudget,
          response: { 200: envelope(budgetView.array()), ...failures('SESSION_NOT_FOUND', 'PROJECT_NOT_FOUND') },
        },
      },
      async ({ body }) => ok(await workbench.putBudget(config.userId, body)),
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
          response: { 200: envelope(z.array(modelCallView)), ...failures('SESSION_NOT_FOUND') },
        },
      },
      async (request, reply) => {
        const { params, query } = request
        const found = await workbench.modelCalls(config.userId, params.id, oneMore(query))
        return ok(cut(request, reply, found, query.limit, () => ({ offset: query.offset + query.limit })))
      },
    )

    app.get(
      '/sessions/:id/spending',
      {
        schema: {
          tags,
          operationId: 'readSpending',
          summary: 'Read what a session has used',
          params: idParams,
          response: { 200: envelope(spending), ...failures('SESSION_NOT_FOUND') },
        },
      },
      async ({ params }) => ok(await workbench.sessionSpending(config.userId, params.id)),
    )
  }
}

/** The operator's limits, with the token that managers have too. */
export const operatorBudgetRoutes = ({ workbench }: RouteDeps): FastifyPluginAsyncZod => {
  return async (app) => {
    app.put(
      '/internal/budgets',
      {
        schema: {
          tags,
          operationId: 'putOperatorBudget',
          summary: 'Set a limit of the operator',
          body: putOperatorBudget,
          response: { 200: envelope(budgetView) },
        },
      },
      async ({ body }) => ok(await workbench.putOperatorBudget(body)),
    )
  }
}
