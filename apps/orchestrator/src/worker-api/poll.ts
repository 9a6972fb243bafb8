/** Workers fetch their tasks here. The request stays open until there is one. */
import { pollQuery, TuttiError, taskBatch, taskPayload as taskPayloadSchema } from '@tutti/contracts'
import type { WorkerRecord } from '@tutti/engine'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { namedWorkerOf } from '../auth/worker.ts'
import type { RouteDeps } from '../deps.ts'
import { failures } from '../errors.ts'
import { handOver } from '../http/hand-over.ts'
import { taskPayload } from '../views/task-payload.ts'
import { workerParams } from './params.ts'

export const pollRoutes = ({ engine, parking, settings, log }: RouteDeps): FastifyPluginAsyncZod => {
  return async (app) => {
    app.get(
      '/workers/:worker_id/tasks/next',
      {
        schema: {
          tags: ['worker protocol'],
          summary: 'Take the next task, or tasks',
          description: 'Waits up to `timeout` seconds. With `max` the answer is a list, which may be empty.',
          params: workerParams,
          querystring: pollQuery,
          response: {
            200: z.union([taskPayloadSchema, taskBatch]),
            204: z.undefined().describe('No task yet: ask again'),
            ...failures('INVALID_QUERY', 'UNAUTHENTICATED', 'WORKER_NOT_FOUND'),
          },
        },
      },
      async (request, reply) => {
        const { max, timeout } = request.query
        const signal = parking.enter(reply)
        const worker = await engine.worker(namedWorkerOf(request))
        if (!worker) throw new TuttiError('WORKER_NOT_FOUND', 'Worker not found')

        const leases = await engine.take({
          worker: worker.id,
          skills: wanted(worker),
          max: max ?? 1,
          waitMs: timeout === undefined ? settings.pollWaitMs : timeout * 1000,
          signal,
        })
        handOver(engine, reply, leases, (error) => log.warn({ err: error, worker: worker.id }, 'tasks not given back'))

        const tasks = leases.map((lease) => taskPayload(lease, engine.settings.taskLeaseMs))
        if (max !== undefined) return reply.send({ tasks })
        const [task] = tasks
        return task ? reply.send(task) : reply.code(204).send()
      },
    )
  }
}

/** A worker that is about to leave finishes what it has; its polls wait like those of one without skills. */
export const wanted = (worker: WorkerRecord): string[] => (worker.info.status === 'draining' ? [] : worker.skills)
