import { createTask, envelope, taskCreated } from '@tutti/contracts'
import { failures } from '@tutti/openapi'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'

const tags = ['tasks']

/** Sending messages. */
export const taskRoutes = ({ workbench, config }: RouteDeps): FastifyPluginAsyncZod => {
  return async (app) => {
    app.post(
      '/tasks',
      {
        schema: {
          tags,
          operationId: 'createTask',
          summary: 'Send a message: to a new session, or to the one named',
          body: createTask,
          response: {
            200: envelope(taskCreated),
            ...failures(
              'BUDGET_EXCEEDED',
              'SESSION_NOT_FOUND',
              'SESSION_CANCELING',
              'QUEUE_FULL',
              'PROJECT_NOT_FOUND',
              'CAPABILITY_NOT_FOUND',
            ),
          },
        },
        bodyLimit: config.taskBodyBytes,
      },
      async (request) => ok(await workbench.createTask(config.userId, request.body)),
    )
  }
}
