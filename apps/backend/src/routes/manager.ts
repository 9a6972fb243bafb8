import {
  accountRun,
  claimRun,
  finishRun,
  manyRunEvents,
  renewRun,
  runEvents,
  runMemory,
  startRun,
} from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'
import { explain } from '../http/errors.ts'
import { idParams } from './params.ts'

/** What executor managers call: claiming runs and telling how they go. */
export const managerRoutes = ({ workbench, open, config, log }: RouteDeps): FastifyPluginAsyncZod => {
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

    app.post('/runs/events', { schema: { body: manyRunEvents }, bodyLimit }, async (request) =>
      ok({
        answers: await Promise.all(
          request.body.batches.map(({ run_id, ...batch }) =>
            workbench.storeEvents(run_id, batch).catch((error: unknown) => {
              const { status, message, data } = explain(error, request, log)
              return { error: { status, code: data.code, message } }
            }),
          ),
        ),
      }),
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
