import { envelope, patchQueueItem, queueItemView, taskCreated } from '@tutti/contracts'
import { failures } from '@tutti/openapi'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'
import { idParams } from './params.ts'

const tags = ['tasks']

const itemParams = idParams.extend({ item: z.uuid() })

/** Messages that were typed while the agent was busy. */
export const queueRoutes = ({ workbench, config }: RouteDeps): FastifyPluginAsyncZod => {
  const { userId } = config
  return async (app) => {
    app.get(
      '/sessions/:id/queued-queries',
      {
        schema: {
          tags,
          operationId: 'listQueue',
          summary: 'List the messages that wait for their turn',
          params: idParams,
          response: { 200: envelope(queueItemView.array()), ...failures('SESSION_NOT_FOUND') },
        },
      },
      async ({ params }) => ok(await workbench.queue(userId, params.id)),
    )

    app.patch(
      '/sessions/:id/queued-queries/:item',
      {
        schema: {
          tags,
          operationId: 'patchQueueItem',
          summary: 'Change a message that waits',
          params: itemParams,
          body: patchQueueItem,
          response: {
            200: envelope(queueItemView),
            ...failures('SESSION_NOT_FOUND', 'QUEUE_ITEM_NOT_FOUND', 'QUEUE_ITEM_GONE'),
          },
        },
        bodyLimit: config.taskBodyBytes,
      },
      async ({ params, body }) => ok(await workbench.patchQueueItem(userId, params.id, params.item, body)),
    )

    app.delete(
      '/sessions/:id/queued-queries/:item',
      {
        schema: {
          tags,
          operationId: 'deleteQueueItem',
          summary: 'Take back a message that waits',
          params: itemParams,
          response: {
            200: envelope(queueItemView),
            ...failures('SESSION_NOT_FOUND', 'QUEUE_ITEM_NOT_FOUND', 'QUEUE_ITEM_GONE'),
          },
        },
      },
      async ({ params }) => ok(await workbench.deleteQueueItem(userId, params.id, params.item)),
    )

    app.post(
      '/sessions/:id/queued-queries/:item/send-now',
      {
        schema: {
          tags,
          operationId: 'sendQueueItem',
          summary: 'Send a message that waits as the next one',
          params: itemParams,
          response: {
            200: envelope(taskCreated),
            ...failures(
              'SESSION_NOT_FOUND',
              'QUEUE_ITEM_NOT_FOUND',
              'QUEUE_ITEM_GONE',
              'SESSION_CANCELING',
              'BUDGET_EXCEEDED',
            ),
          },
        },
      },
      async ({ params }) => ok(await workbench.sendQueueItem(userId, params.id, params.item)),
    )
  }
}
