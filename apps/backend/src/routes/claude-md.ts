import { claudeMdView, putClaudeMd } from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { RouteDeps } from '../deps.ts'
import { about } from '../http/about.ts'
import { ok } from '../http/envelope.ts'

const tag = 'claude-md'

/** The text that the user gives to all agents. */
export const claudeMdRoutes = ({ workbench: { capabilities }, config }: RouteDeps): FastifyPluginAsyncZod => {
  const { userId } = config
  return async (app) => {
    app.get(
      '/claude-md',
      { schema: about(tag, 'getClaudeMd', 'Show the text for all agents', claudeMdView) },
      async () => ok(await capabilities.claudeMd(userId)),
    )

    app.put(
      '/claude-md',
      { schema: { body: putClaudeMd, ...about(tag, 'putClaudeMd', 'Set the text for all agents', claudeMdView) } },
      async ({ body }) => ok(await capabilities.putClaudeMd(userId, body)),
    )

    app.delete(
      '/claude-md',
      { schema: about(tag, 'deleteClaudeMd', 'Delete the text for all agents', claudeMdView) },
      async () => {
        await capabilities.deleteClaudeMd(userId)
        return ok(await capabilities.claudeMd(userId))
      },
    )
  }
}
