/** The workers that have given a sign of life lately. */
import { drainWorker, TuttiError, workerId, workerView as workerViewSchema } from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { clientOf, requireOperator } from '../auth/client.ts'
import type { RouteDeps } from '../deps.ts'
import { failures } from '../errors.ts'
import { workerView } from '../views/worker-view.ts'

const params = z.object({ worker_id: workerId })

export const workerListRoutes = ({ engine, instant, log }: RouteDeps): FastifyPluginAsyncZod => {
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

    app.post(
      '/workers/:worker_id/drain',
      {
        schema: {
          tags: ['workers'],
          operationId: 'drainWorker',
          summary: 'Give a worker no further tasks, or let it take tasks again',
          description: 'For operators. What it works on it may finish; it stays drained when it registers again.',
          params,
          body: drainWorker,
          response: { 200: workerViewSchema, ...failures('INVALID_BODY', 'FORBIDDEN', 'WORKER_NOT_FOUND') },
        },
      },
      async (request) => {
        const client = clientOf(request)
        requireOperator(client)
        const { drained } = request.body
        const worker = await engine.drain(request.params.worker_id, drained)
        log.info(
          { client: client.id, worker: worker.id, drained },
          drained ? 'worker drained' : 'worker takes tasks again',
        )
        return workerView(worker, instant)
      },
    )

    app.delete(
      '/workers/:worker_id',
      {
        schema: {
          tags: ['workers'],
          operationId: 'removeWorker',
          summary: 'Take a worker off the list',
          description:
            'For operators. Its tasks are handed out again at once. One that still runs registers again: revoke its token, or drain it.',
          params,
          response: { 204: z.undefined().describe('It is gone'), ...failures('FORBIDDEN', 'WORKER_NOT_FOUND') },
        },
      },
      async (request, reply) => {
        const client = clientOf(request)
        requireOperator(client)
        const { worker_id } = request.params
        if (!(await engine.worker(worker_id))) throw new TuttiError('WORKER_NOT_FOUND', 'Worker not found')
        await engine.deregister(worker_id)
        log.info({ client: client.id, worker: worker_id }, 'worker removed')
        return reply.code(204).send()
      },
    )
  }
}
