/** A worker makes itself known. */
import { registered, registerWorker } from '@tutti/contracts'
import type { EngineSettings } from '@tutti/engine'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { requireWorkerInBody } from '../auth/worker/index.ts'
import { failures } from '../errors.ts'
import { declarationOf } from './declaration.ts'
import type { WorkerRouteDeps } from './index.ts'
import { signed } from './signed.ts'
import { changeBody, withoutNulls } from './without-nulls.ts'

/** Of the worker protocol. */
const protocolVersion = '1.0'

export const registerRoutes = ({ engine, identify, rates, signatures }: WorkerRouteDeps): FastifyPluginAsyncZod => {
  return async (app) => {
    app.post(
      '/workers/register',
      {
        schema: {
          tags: ['worker protocol'],
          summary: 'Register, or register again',
          body: registerWorker,
          response: {
            200: registered,
            ...failures('INVALID_BODY', 'UNAUTHENTICATED', 'WORKER_MISMATCH', 'TOO_MANY_REQUESTS'),
          },
        },
        preValidation: [
          requireWorkerInBody(identify, 401),
          rates.limit('registration'),
          signed(signatures, 'refuse'),
          changeBody(withoutNulls),
        ],
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
  }
}

/** Three signs of life in the shortest time that anything lasts without one, so that two may get lost. */
const heartbeatSeconds = ({ taskLeaseMs, workerTtlMs }: EngineSettings): number =>
  Math.max(Math.min(taskLeaseMs, workerTtlMs) / 3000, 0.1)
