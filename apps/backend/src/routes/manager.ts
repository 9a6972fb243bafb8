import {
  accountAnswer,
  accountRun,
  claimedRun,
  claimRun,
  envelope,
  finishRun,
  manyRunEvents,
  manyRunEventsAnswer,
  memoryAnswer,
  renewAnswer,
  renewRun,
  runEvents,
  runEventsAnswer,
  runMemory,
  runView,
  startRun,
} from '@tutti/contracts'
import { failures } from '@tutti/openapi'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'
import { explain } from '../http/errors.ts'
import { idParams } from './params.ts'

const tags = ['executor managers']

/** What executor managers call: claiming runs and telling how they go. */
export const managerRoutes = ({ workbench, open, config, log }: RouteDeps): FastifyPluginAsyncZod => {
  const bodyLimit = config.managerBodyBytes
  return async (app) => {
    app.post(
      '/runs/claim',
      {
        schema: {
          tags,
          operationId: 'claimRun',
          summary: 'Take a run; `data` is null when none came',
          body: claimRun,
          response: { 200: envelope(claimedRun) },
        },
      },
      async ({ body }, reply) => ok(await workbench.claim(body, open.enter(reply))),
    )

    app.post(
      '/runs/:id/start',
      {
        schema: {
          tags,
          operationId: 'startRun',
          summary: 'The turn begins',
          params: idParams,
          body: startRun,
          response: { 200: envelope(runView), ...failures('RUN_NOT_FOUND', 'LEASE_LOST') },
        },
      },
      async ({ params, body }) => ok(await workbench.startRun(params.id, body)),
    )

    app.post(
      '/runs/:id/renew',
      {
        schema: {
          tags,
          operationId: 'renewRun',
          summary: 'Keep a run, and hear what is to be done',
          params: idParams,
          body: renewRun,
          response: { 200: envelope(renewAnswer), ...failures('RUN_NOT_FOUND', 'LEASE_LOST') },
        },
      },
      async ({ params, body }, reply) => ok(await workbench.renewRun(params.id, body, open.enter(reply))),
    )

    app.post(
      '/runs/:id/events',
      {
        schema: {
          tags,
          operationId: 'storeEvents',
          summary: 'Tell what the agent did',
          params: idParams,
          body: runEvents,
          response: { 200: envelope(runEventsAnswer), ...failures('RUN_NOT_FOUND', 'LEASE_LOST', 'EVENT_GAP') },
        },
        bodyLimit,
      },
      async ({ params, body }) => ok(await workbench.storeEvents(params.id, body)),
    )

    app.post(
      '/runs/events',
      {
        schema: {
          tags,
          operationId: 'storeManyEvents',
          summary: 'Store what the agents of many runs have said; each is answered for itself',
          body: manyRunEvents,
          response: { 200: envelope(manyRunEventsAnswer) },
        },
        bodyLimit,
      },
      async (request) =>
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

    app.post(
      '/runs/:id/account',
      {
        schema: {
          tags,
          operationId: 'accountRun',
          summary: 'Tell what the run has used, and ask for the next model call',
          params: idParams,
          body: accountRun,
          response: { 200: envelope(accountAnswer), ...failures('RUN_NOT_FOUND', 'LEASE_LOST') },
        },
      },
      async ({ params, body }) => ok(await workbench.accountRun(params.id, body)),
    )

    app.post(
      '/runs/:id/memory',
      {
        schema: {
          tags,
          operationId: 'useMemory',
          summary: 'What an agent looks up in its user’s memory, or keeps there',
          params: idParams,
          body: runMemory,
          response: {
            200: envelope(memoryAnswer),
            ...failures('RUN_NOT_FOUND', 'LEASE_LOST', 'MEMORY_NOT_FOUND', 'MEMORY_FULL'),
          },
        },
      },
      async ({ params, body }) => ok(await workbench.useMemory(params.id, body)),
    )

    app.post(
      '/runs/:id/finish',
      {
        schema: {
          tags,
          operationId: 'finishRun',
          summary: 'Tell how the turn ended',
          params: idParams,
          body: finishRun,
          response: { 200: envelope(runView), ...failures('RUN_NOT_FOUND', 'LEASE_LOST') },
        },
        bodyLimit,
      },
      async ({ params, body }) => ok(await workbench.finishRun(params.id, body)),
    )
  }
}
