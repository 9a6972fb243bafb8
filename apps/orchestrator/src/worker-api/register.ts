/** A worker's life: it registers, and from then on gives signs of life. */
import { heartbeat, heartbeatAnswer, registered, registerWorker } from '@tutti/contracts'
import type { EngineSettings } from '@tutti/engine'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { namedWorkerOf, requireWorkerInBody } from '../auth/worker.ts'
import type { RouteDeps } from '../deps.ts'
import { failures } from '../errors.ts'
import { declarationOf, ownWords } from './declaration.ts'
import { workerParams } from './params.ts'
import { changeBody, withoutNulls } from './without-nulls.ts'

/** Of the worker protocol. */
const protocolVersion = '1.0'

const tags = ['worker protocol']

export const registerRoutes = ({ engine, workers }: RouteDeps): FastifyPluginAsyncZod => {
  return async (app) => {
    const authenticate = requireWorkerInBody(workers, 'unauthenticated')

    app.post(
      '/workers/register',
      {
        schema: {
          tags,
          summary: 'Register, or register again',
          body: registerWorker,
          response: { 200: registered, ...failures('INVALID_BODY', 'UNAUTHENTICATED') },
        },
        preValidation: [authenticate, changeBody(withoutNulls)],
      },
      async (request) => {
        const declaration = declarationOf(request.body)
        await engine.register(declaration)
        return {
          status: 'registered' as const,
          version: protocolVersion,
          warning: declaration.skills.length === 0 ? 'No supported_skills: this worker will get no tasks.' : null,
          heartbeat_seconds: heartbeatSeconds(engine.settings),
        }
      },
    )

    app.patch(
      '/workers/:worker_id',
      {
        schema: {
          tags,
          summary: 'Give a sign of life',
          description:
            'Renews the registration and the leases: of all tasks, or of those in `current_tasks`. Tasks in `cancel_task_ids` ' +
            'belong to somebody else by now. An empty body only says "alive".',
          params: workerParams,
          body: heartbeat.optional(),
          response: { 200: heartbeatAnswer, ...failures('INVALID_BODY', 'UNAUTHENTICATED', 'WORKER_NOT_FOUND') },
        },
        preValidation: changeBody(withoutNulls),
      },
      async (request) => {
        const worker = namedWorkerOf(request)
        const { body } = request
        if (!body) {
          await engine.heartbeat(worker, {})
          return { status: 'ttl_refreshed' as const }
        }
        const { held } = await engine.heartbeat(worker, ownWords(body), body.current_tasks)
        const mine = new Set(held)
        const lost = body.current_tasks?.filter((task) => !mine.has(task)) ?? []
        return { status: 'ok' as const, cancel_task_ids: lost }
      },
    )
  }
}

/** Three signs of life in the shortest time that anything lasts without one, so that two may get lost. */
const heartbeatSeconds = ({ taskLeaseMs, workerTtlMs }: EngineSettings): number =>
  Math.max(Math.min(taskLeaseMs, workerTtlMs) / 3000, 0.1)
