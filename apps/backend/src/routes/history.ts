import { branchSession, editMessage, regenerate } from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'
import { idParams } from './params.ts'

/** What people do with a conversation's past: fork it, have a turn taken again, take back their words. */
export const historyRoutes = ({ workbench, config }: RouteDeps): FastifyPluginAsyncZod => {
  const { userId } = config
  return async (app) => {
    app.post('/sessions/:id/branch', { schema: { params: idParams, body: branchSession } }, async ({ params, body }) =>
      ok(await workbench.branch(userId, params.id, body.message_id)),
    )

    app.post('/sessions/:id/regenerate', { schema: { params: idParams, body: regenerate } }, async ({ params, body }) =>
      ok(await workbench.regenerate(userId, params.id, body)),
    )

    app.post(
      '/sessions/:id/edit-message',
      { schema: { params: idParams, body: editMessage }, bodyLimit: config.taskBodyBytes },
      async ({ params, body }) => ok(await workbench.editMessage(userId, params.id, body)),
    )
  }
}
