import { patchQueueItem } from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'
import { idParams } from './params.ts'

const itemParams = idParams.extend({ item: z.uuid() })

/** Messages that were typed while the agent was busy. */
export const queueRoutes = ({ workbench, config }: RouteDeps): FastifyPluginAsyncZod => {
  const { userId } = config
  return async (app) => {
    app.get('/sessions/:id/queued-queries', { schema: { params: idParams } }, async ({ params }) =>
      ok(await workbench.queue(userId, params.id)),
    )

    app.patch(
      '/sessions/:id/queued-queries/:item',
      { schema: { params: itemParams, body: patchQueueItem }, bodyLimit: config.taskBodyBytes },
      async ({ params, body }) => ok(await workbench.patchQueueItem(userId, params.id, params.item, body)),
    )

    app.delete('/sessions/:id/queued-queries/:item', { schema: { params: itemParams } }, async ({ params }) =>
      ok(await workbench.deleteQueueItem(userId, params.id, params.item)),
    )

    app.post('/sessions/:id/queued-queries/:item/send-now', { schema: { params: itemParams } }, async ({ params }) =>
      ok(await workbench.sendQueueItem(userId, params.id, params.item)),
    )
  }
}
