import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { serveSession } from '../stream/session-socket.ts'
import { idParams } from './params.ts'

const streamQuery = z.object({ since: z.coerce.number().int().min(0).optional() })

/** The live stream of a session. */
export const streamRoutes = (deps: RouteDeps): FastifyPluginAsyncZod => {
  return async (app) => {
    app.get(
      '/ws/sessions/:id',
      { websocket: true, schema: { params: idParams, querystring: streamQuery } },
      (socket, { params, query }) =>
        serveSession(deps, socket, {
          sessionId: params.id,
          ...(query.since === undefined ? {} : { since: query.since }),
        }),
    )
  }
}
