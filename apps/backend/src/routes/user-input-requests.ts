import {
  answerRequest,
  createRequestLink,
  envelope,
  inboxItem,
  requestLink,
  userInputRequestView,
} from '@tutti/contracts'
import { failures } from '@tutti/openapi'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'
import { createRequestLinks, linkFor } from '../links/request-link.ts'
import { idParams } from './params.ts'

const tags = ['requests of agents']

const requestsQuery = z.object({ session_id: z.uuid().optional() })

/** What agents want of a person: questions, plans to approve, tools to consent to. */
export const userInputRequestRoutes = ({ workbench, config }: RouteDeps): FastifyPluginAsyncZod => {
  const { userId } = config
  const links = createRequestLinks(config)
  return async (app) => {
    app.get(
      '/user-input-requests',
      {
        schema: {
          tags,
          operationId: 'listInputRequests',
          summary: 'List what agents want of you',
          querystring: requestsQuery,
          response: { 200: envelope(userInputRequestView.array()) },
        },
      },
      async ({ query }) => ok(await workbench.requests(userId, query.session_id)),
    )

    app.post(
      '/user-input-requests/:id/answer',
      {
        schema: {
          tags,
          operationId: 'answerInputRequest',
          summary: 'Answer an agent',
          params: idParams,
          body: answerRequest,
          response: {
            200: envelope(userInputRequestView),
            ...failures('REQUEST_NOT_FOUND', 'REQUEST_ANSWERED', 'REQUEST_EXPIRED'),
          },
        },
      },
      async ({ params, body }) => ok(await workbench.answerRequest(userId, params.id, body)),
    )

    app.post(
      '/user-input-requests/:id/link',
      {
        schema: {
          tags: ['inbox'],
          operationId: 'createRequestLink',
          summary: 'Make a link with which somebody answers a request',
          params: idParams,
          body: createRequestLink,
          response: { 200: envelope(requestLink), ...failures('REQUEST_NOT_FOUND', 'REQUEST_ANSWERED', 'LINKS_OFF') },
        },
      },
      async ({ params, body }) => {
        const request = await workbench.request(userId, params.id)
        return ok(linkFor(config, links, userId, request, body))
      },
    )

    app.get(
      '/inbox',
      {
        schema: {
          tags: ['inbox'],
          operationId: 'readInbox',
          summary: 'List all that waits for a decision',
          response: { 200: envelope(z.array(inboxItem)) },
        },
      },
      async () => ok(await workbench.inbox(userId)),
    )
  }
}
