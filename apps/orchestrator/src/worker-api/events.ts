/** Progress of tasks, over HTTP. The WebSocket takes the same frames. */
import { progressEvent } from '@tutti/contracts'
import type { Engine } from '@tutti/engine'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { namedWorkerOf, requireWorkerInBody } from '../auth/worker.ts'
import type { RouteDeps } from '../deps.ts'
import { failures } from '../errors.ts'
import { changeBody, withoutNulls } from './without-nulls.ts'

export const eventRoutes = ({ engine, workers }: RouteDeps): FastifyPluginAsyncZod => {
  return async (app) => {
    const authenticate = requireWorkerInBody(workers, 'forbidden')

    app.post(
      '/events',
      {
        schema: {
          tags: ['worker protocol'],
          summary: 'Report a task’s progress',
          body: progressEvent,
          response: {
            200: z.object({ status: z.literal('event_accepted') }),
            ...failures('INVALID_BODY', 'UNAUTHENTICATED', 'WORKER_MISMATCH'),
          },
        },
        preValidation: [authenticate, changeBody(withoutNulls)],
      },
      async (request) => {
        await noteProgress(engine, namedWorkerOf(request), request.body)
        return { status: 'event_accepted' as const }
      },
    )
  }
}

export const noteProgress = (
  engine: Pick<Engine, 'progress'>,
  worker: string,
  { job_id, task_id, progress, message }: z.output<typeof progressEvent>,
): Promise<void> => engine.progress({ worker, jobId: job_id, taskId: task_id, progress, message: message ?? null })
