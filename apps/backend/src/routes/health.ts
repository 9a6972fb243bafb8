import { envelope } from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'

const healthView = z.object({
  service: z.literal('tutti-backend'),
  status: z.literal('ok'),
  version: z.string().optional(),
})

/** For load balancers and people: no token needed, nothing told. */
export const healthRoutes = ({ version }: Pick<RouteDeps, 'version'>): FastifyPluginAsyncZod => {
  const health = ok({
    service: 'tutti-backend' as const,
    status: 'ok' as const,
    ...(version === undefined ? {} : { version }),
  })
  return async (app) => {
    for (const [path, operationId] of [
      ['/', 'readRoot'],
      ['/health', 'readHealth'],
    ] as const)
      app.get(
        path,
        {
          schema: {
            ...{ tags: ['public'], security: [], operationId, summary: 'Is the process alive?' },
            response: { 200: envelope(healthView) },
          },
        },
        async () => health,
      )
  }
}
