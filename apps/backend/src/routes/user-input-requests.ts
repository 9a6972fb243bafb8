import { answerRequest } from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'
import { idParams } from './params.ts'

const requestsQuery = z.object({ session_id: z.uuid().optional() })

/** What agents want of a person: questions, plans to approve, tools to consent to. */
export const userInputRequestRoutes = ({ workbench, config }: RouteDeps): FastifyPluginAsyncZod => {
  const { userId } = config
  return async (app) => {
    app.get('/user-input-requests', { schema: { querystring: requestsQuery } }, async ({ query }) =>
      ok(await workbench.requests(userId, query.session_id)),
    )

    app.post(
      '/user-input-requests/:id/answer',
      { schema: { params: idParams, body: answerRequest } },
      async ({ params, body }) => ok(await workbench.answerRequest(userId, params.id, body)),
    )
  }
}
