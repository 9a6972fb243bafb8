import { createTask } from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'

/** Sending messages. */
export const taskRoutes = ({ workbench, config }: RouteDeps): FastifyPluginAsyncZod => {
  return async (app) => {
    app.post('/tasks', { schema: { body: createTask }, bodyLimit: config.taskBodyBytes }, async (request) =>
      ok(await workbench.createTask(config.userId, request.body)),
    )
  }
}
