import { envelope, usageAnalytics } from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'

const analyticsQuery = z.object({
  month: z
    .string()
    .regex(/^\d{4}-(0[1-9]|1[0-2])$/, 'YYYY-MM')
    .optional(),
  day: z.iso.date().optional(),
  timezone: z.string().min(1).max(64).default('UTC'),
})

/** What a user's turns have used. */
export const usageRoutes = ({ workbench, config }: RouteDeps): FastifyPluginAsyncZod => {
  return async (app) => {
    app.get(
      '/usage/analytics',
      {
        schema: {
          tags: ['usage'],
          operationId: 'readUsage',
          summary: 'Read what your turns have used',
          querystring: analyticsQuery,
          response: { 200: envelope(usageAnalytics) },
        },
      },
      async ({ query }) => ok(await workbench.analytics(config.userId, query)),
    )
  }
}
