/** Sessions and requests for programs of the operator's, by the token that managers have too. */
import { createSession, envelope, sessionStateView, sessionView, userInputRequestView } from '@tutti/contracts'
import { failures } from '@tutti/openapi'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'
import { idParams } from './params.ts'

const tags = ['internal']

export const internalSessionRoutes = ({ workbench, config }: RouteDeps): FastifyPluginAsyncZod => {
  const { userId } = config
  return async (app) => {
    app.post(
      '/internal/sessions',
      {
        schema: {
          ...{ tags, operationId: 'createInternalSession', summary: 'Make a session in which nothing was said yet' },
          ...{
            body: createSession,
            response: { 200: envelope(sessionView), ...failures('PROJECT_NOT_FOUND', 'CAPABILITY_NOT_FOUND') },
          },
        },
      },
      async ({ body }) => ok(await workbench.createSession(userId, body)),
    )

    app.get(
      '/internal/sessions/:id',
      {
        schema: {
          ...{ tags, operationId: 'getInternalSession', summary: 'Get a session' },
          ...{ params: idParams, response: { 200: envelope(sessionView), ...failures('SESSION_NOT_FOUND') } },
        },
      },
      async ({ params }) => ok(await workbench.session(userId, params.id)),
    )

    app.get(
      '/internal/sessions/:id/state',
      {
        schema: {
          ...{ tags, operationId: 'getInternalSessionState', summary: 'Get what changes often of a session' },
          ...{ params: idParams, response: { 200: envelope(sessionStateView), ...failures('SESSION_NOT_FOUND') } },
        },
      },
      async ({ params }) => ok(sessionStateView.parse(await workbench.session(userId, params.id))),
    )

    app.get(
      '/internal/user-input-requests/:id',
      {
        schema: {
          ...{ tags, operationId: 'getInternalRequest', summary: 'Get what an agent asks, and the answer to it' },
          ...{ params: idParams, response: { 200: envelope(userInputRequestView), ...failures('REQUEST_NOT_FOUND') } },
        },
      },
      async ({ params }) => ok(await workbench.request(userId, params.id)),
    )
  }
}
