/** The workers that have given a sign of life lately. */
import { workerView as workerViewSchema } from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { RouteDeps } from '../deps.ts'
import { workerView } from '../views/worker-view.ts'

export const workerListRoutes = ({ engine, instant }: RouteDeps): FastifyPluginAsyncZod => {
  return async (app) => {
    app.get(
      '/workers',
      {
        schema: {
          tags: ['workers'],
          operationId: 'listWorkers',
          summary: 'List the workers',
          response: { 200: workerViewSchema.array() },
        },
      },
      async () => (await engine.workers()).map((worker) => workerView(worker, instant)),
    )
  }
}
