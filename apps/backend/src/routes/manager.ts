import { accountRun, claimRun, finishRun, renewRun, runEvents, runMemory, startRun } from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'
import { idParams } from './params.ts'

/** What executor managers call: claiming runs and telling how they go. */
export const managerRoutes = ({ workbench, open, config }: RouteDeps): FastifyPluginAsyncZod => {
  const bodyLimit = config.managerBodyBytes
  return async (app) => {
    app.post('/runs/claim', { schema: { body: claimRun } }, async ({ body }, reply) =>
      ok(await workbench.claim(body, open.enter(reply))),
    )

    app.post('/runs/:id/start', { schema: { params: idParams, body: startRun } }, async ({ params, body }) =>
      ok(await workbench.startRun(params.id, body)),
    )

    app.post('/runs/:id/renew', { schema: { params: idParams, body: renewRun } }, async ({ params, body }, reply) =>
      ok(await workbench.renewRun(params.id, body, open.enter(reply))),
    )

    app.post(
      '/runs/:id/events',
      { schema: { params: idParams, body: runEvents }, bodyLimit },
      async ({ params, body }) => ok(await workbench.storeEvents(params.id, body)),
    )

    app.post('/runs/:id/account', { schema: { params: idParams, body: accountRun } }, async ({ params, body }) =>
      ok(await workbench.accountRun(params.id, body)),
    )

    app.post('/runs/:id/memory', { schema: { params: idParams, body: runMemory } }, async ({ params, body }) =>
      ok(await workbench.useMemory(params.id, body)),
    )

    app.post(
      '/runs/:id/finish',
      { schema: { params: idParams, body: finishRun }, bodyLimit },
      async ({ params, body }) => ok(await workbench.finishRun(params.id, body)),
    )
  }
}
