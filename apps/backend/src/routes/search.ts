import { envelope, searchAnswer } from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'

const some = z.coerce.number().int().min(0).max(50)
const searchQuery = z.object({
  q: z.string().trim().min(1).max(200),
  limit_tasks: some.default(10),
  limit_projects: some.default(10),
  limit_messages: some.default(10),
  project_id: z.uuid().optional(),
})

/** Full text over titles, projects and messages. */
export const searchRoutes = ({ workbench, config }: RouteDeps): FastifyPluginAsyncZod => {
  return async (app) => {
    app.get(
      '/search',
      {
        schema: {
          tags: ['search'],
          operationId: 'search',
          summary: 'Search titles, projects and messages',
          querystring: searchQuery,
          response: { 200: envelope(searchAnswer) },
        },
      },
      async ({ query }) => ok(await workbench.search(config.userId, query)),
    )
  }
}
