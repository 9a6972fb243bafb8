/** For who watches over the process: no token needed. */
import { keptSandboxes, pooledSandboxes } from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { ApiDeps } from './server.ts'

export const health = z.object({
  service: z.literal('executor-manager'),
  status: z.enum(['ok', 'degraded', 'draining']),
  worker_id: z.string(),
  sandbox: z.string(),
  /** False: agents run without any isolation. */
  isolates: z.boolean(),
  running: z.int(),
  capacity: z.int(),
  kept_sandboxes: keptSandboxes,
  pooled_sandboxes: pooledSandboxes,
  /** Why no runs can be taken at the moment; null when they can. */
  fault: z.string().nullable(),
})
export type Health = z.infer<typeof health>

const answer = z.object({ code: z.int(), message: health.shape.status, data: health })

export const healthRoutes = (deps: Pick<ApiDeps, 'health'>): FastifyPluginAsyncZod => {
  return async (app) => {
    for (const [path, operationId] of [
      ['/', 'readRoot'],
      ['/health', 'readHealth'],
    ] as const)
      app.get(
        path,
        {
          schema: {
            ...{ tags: ['public'], security: [], operationId, summary: 'Can it take runs?' },
            response: { 200: answer, 503: answer.describe('It is stopping') },
          },
        },
        async (_request, reply) => {
          const data = deps.health()
          // A backend that is away is not cured by restarting this process, so it stays 200.
          const stopping = data.status === 'draining'
          return reply.code(stopping ? 503 : 200).send({ code: stopping ? 50300 : 0, message: data.status, data })
        },
      )
  }
}
