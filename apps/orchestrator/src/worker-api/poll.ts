/** Workers fetch their tasks here. The request stays open until there is one. */
import { type JsonObject, pollQuery, TuttiError, taskBatch, taskPayload as taskPayloadSchema } from '@tutti/contracts'
import type { WorkerRecord } from '@tutti/engine'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { namedWorkerOf } from '../auth/worker/index.ts'
import { failures } from '../errors.ts'
import { handOver } from '../http/hand-over.ts'
import { taskPayload } from '../views/task-payload.ts'
import { availableSkills } from './declaration.ts'
import type { WorkerRouteDeps } from './index.ts'
import { workerParams } from './params.ts'

type PollQuery = z.output<typeof pollQuery>

export const pollRoutes = ({ engine, parking, settings, log, rates }: WorkerRouteDeps): FastifyPluginAsyncZod => {
  return async (app) => {
    app.get(
      '/workers/:worker_id/tasks/next',
      {
        schema: {
          tags: ['worker protocol'],
          summary: 'Take the next task, or tasks',
          description:
            'Waits up to `timeout` seconds. With `max` the answer is a list, which may be empty. `skills` asks for these only.',
          params: workerParams,
          querystring: pollQuery,
          response: {
            200: z.union([taskPayloadSchema, taskBatch]),
            204: z.undefined().describe('No task yet: ask again'),
            ...failures('INVALID_QUERY', 'UNAUTHENTICATED', 'WORKER_NOT_FOUND', 'TOO_MANY_REQUESTS'),
          },
        },
        preHandler: rates.limit('poll'),
      },
      async (request, reply) => {
        const { query } = request
        const signal = parking.enter(reply)
        const worker = await engine.worker(namedWorkerOf(request))
        if (!worker) throw new TuttiError('WORKER_NOT_FOUND', 'Worker not found')
        const news = newsIn(worker, query)
        // It renews no lease: a process that polls need not be the one that holds the tasks.
        if (news) await engine.heartbeat(worker.id, news, [])

        const leases = await engine.take({
          worker: worker.id,
          skills: wanted(worker, query),
          max: query.max ?? 1,
          waitMs: query.timeout === undefined ? settings.pollWaitMs : query.timeout * 1000,
          signal,
        })
        if (leases.length > 0) rates.giveBack('poll', worker.id)
        handOver(engine, reply, leases, (error) => log.warn({ err: error, worker: worker.id }, 'tasks not given back'))

        const tasks = leases.map((lease) => taskPayload(lease, worker, engine))
        if (query.max !== undefined) return reply.send({ tasks })
        const [task] = tasks
        return task ? reply.send(task) : reply.code(204).send()
      },
    )
  }
}

/** A worker that is about to leave finishes what it has; its polls wait like those of one without skills. */
export const wanted = (worker: WorkerRecord, query: Pick<PollQuery, 'skills' | 'available_skills'> = {}): string[] => {
  if (worker.info.status === 'draining') return []
  if (query.skills !== undefined) {
    const only = new Set(names(query.skills))
    return worker.skills.filter((skill) => only.has(skill))
  }
  return availableSkills(worker, query.available_skills ? names(query.available_skills) : undefined)
}

/** What the query tells that the record does not have yet. */
const newsIn = (worker: WorkerRecord, { hot_skills: text }: PollQuery): JsonObject | undefined => {
  if (text === undefined) return undefined
  const hot = names(text)
  const { hot_skills: known } = worker.info
  return Array.isArray(known) && known.join() === hot.join() ? undefined : { hot_skills: hot }
}

const names = (list: string): string[] => list.split(',').flatMap((name) => name.trim() || [])
