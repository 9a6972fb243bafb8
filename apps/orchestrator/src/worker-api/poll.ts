/** Workers fetch their tasks here. The request stays open until there is one. */
import { pollQuery, TuttiError, taskBatch, taskPayload as taskPayloadSchema } from '@tutti/contracts'
import type { Engine } from '@tutti/engine'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { namedWorkerOf } from '../auth/worker/index.ts'
import { failures } from '../errors.ts'
import { handOver } from '../http/hand-over.ts'
import { taskPayload } from '../views/task-payload.ts'
import { withFileFacts } from './file-facts.ts'
import type { WorkerRouteDeps } from './index.ts'
import { workerParams } from './params.ts'

type PollQuery = z.output<typeof pollQuery>

export const pollRoutes = (deps: WorkerRouteDeps): FastifyPluginAsyncZod => {
  const { engine, parking, settings, log, rates } = deps
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
        const id = namedWorkerOf(request)
        const { query } = request
        const signal = parking.enter(reply)
        await learnFrom(engine, id, query)

        const skills = query.skills ?? query.available_skills
        const leases = await engine.take({
          worker: id,
          ...(skills ? { skills: names(skills) } : {}),
          max: query.max ?? 1,
          waitMs: query.timeout === undefined ? settings.pollWaitMs : query.timeout * 1000,
          signal,
        })
        if (leases.length > 0) rates.giveBack('poll', id)
        handOver(engine, reply, leases, (error) => log.warn({ err: error, worker: id }, 'tasks not given back'))

        // Only workers that take one at a time ask for their own words on the skill; without them a task is still a task.
        const single = query.max === undefined && leases.length > 0
        const worker = single ? await engine.knownWorker(id).catch(() => undefined) : undefined
        const payloads = leases.map((lease) => taskPayload(lease, engine, worker))
        const tasks = await withFileFacts(payloads, leases, deps)
        if (query.max !== undefined) return reply.send({ tasks })
        const [task] = tasks
        return task ? reply.send(task) : reply.code(204).send()
      },
    )
  }
}

/** A poll may tell what the last sign of life did not tell yet. */
const learnFrom = async (
  engine: Pick<Engine, 'knownWorker' | 'heartbeat'>,
  id: string,
  query: PollQuery,
): Promise<void> => {
  const told = Object.entries({ available_skills: query.available_skills, hot_skills: query.hot_skills }).flatMap(
    ([word, list]) => (list ? [[word, names(list)] as const] : []),
  )
  if (told.length === 0) return
  const worker = await engine.knownWorker(id)
  if (!worker) throw new TuttiError('WORKER_NOT_FOUND', 'Worker not found')
  const news = told.filter(([word, list]) => String(worker.info[word]) !== String(list))
  // No lease is renewed: a process that polls need not be the one that holds the tasks.
  if (news.length > 0) await engine.heartbeat(id, Object.fromEntries(news), [])
}

const names = (list: string): string[] => list.split(',').flatMap((name) => name.trim() || [])
