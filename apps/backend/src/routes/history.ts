import { branchSession, editMessage, envelope, regenerate, sessionBranched, taskCreated } from '@tutti/contracts'
import { failures } from '@tutti/openapi'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'
import { idParams } from './params.ts'

const tags = ['sessions']

/** What people do with a conversation's past: fork it, have a turn taken again, take back their words. */
export const historyRoutes = ({ workbench, config }: RouteDeps): FastifyPluginAsyncZod => {
  const { userId } = config
  return async (app) => {
    app.post(
      '/sessions/:id/branch',
      {
        schema: {
          tags,
          operationId: 'branchSession',
          summary: 'Go on from a message in a session of its own',
          params: idParams,
          body: branchSession,
          response: {
            200: envelope(sessionBranched),
            ...failures('SESSION_NOT_FOUND', 'MESSAGE_NOT_FOUND', 'SESSION_BUSY', 'SESSION_CANCELING'),
          },
        },
      },
      async ({ params, body }) => ok(await workbench.branch(userId, params.id, body)),
    )

    app.post(
      '/sessions/:id/regenerate',
      {
        schema: {
          tags,
          operationId: 'regenerate',
          summary: 'Have a turn taken again',
          params: idParams,
          body: regenerate,
          response: {
            200: envelope(taskCreated),
            ...failures(
              'SESSION_NOT_FOUND',
              'MESSAGE_NOT_FOUND',
              'SESSION_BUSY',
              'SESSION_CANCELING',
              'QUEUE_NOT_EMPTY',
              'BUDGET_EXCEEDED',
            ),
          },
        },
      },
      async ({ params, body }) => ok(await workbench.regenerate(userId, params.id, body)),
    )

    app.post(
      '/sessions/:id/edit-message',
      {
        schema: {
          tags,
          operationId: 'editMessage',
          summary: 'Have a turn taken again, with other words',
          params: idParams,
          body: editMessage,
          response: {
            200: envelope(taskCreated),
            ...failures(
              'SESSION_NOT_FOUND',
              'MESSAGE_NOT_FOUND',
              'SESSION_BUSY',
              'SESSION_CANCELING',
              'QUEUE_NOT_EMPTY',
              'BUDGET_EXCEEDED',
            ),
          },
        },
        bodyLimit: config.taskBodyBytes,
      },
      async ({ params, body }) => ok(await workbench.editMessage(userId, params.id, body)),
    )
  }
}
