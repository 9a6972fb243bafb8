/** What is asked of this one host, with the token that managers have. */
import {
  cancelExecutor,
  envelope,
  executorCancelled,
  executorLoad,
  pullSchedules,
  pullTriggered,
  triggerPull,
} from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { ApiDeps } from './server.ts'

export const managerRoutes = (deps: ApiDeps): FastifyPluginAsyncZod => {
  return async (app) => {
    app.get(
      '/schedules',
      {
        schema: {
          ...{ tags: ['schedules'], operationId: 'readPullSchedules', summary: 'Read when runs are taken' },
          response: { 200: envelope(pullSchedules) },
        },
      },
      async () => ok(deps.schedules()),
    )

    app.get(
      '/executor/load',
      {
        schema: {
          ...{ tags: ['executor'], operationId: 'readLoad', summary: 'Read what runs here' },
          response: { 200: envelope(executorLoad) },
        },
      },
      async () => ok(deps.load()),
    )

    app.post(
      '/executor/cancel',
      {
        schema: {
          ...{ tags: ['executor'], operationId: 'cancelExecutor', summary: 'End what runs here for a session' },
          body: cancelExecutor,
          response: { 200: envelope(executorCancelled) },
        },
      },
      async ({ body }) => ok(await deps.cancel(body.session_id, body.reason)),
    )

    app.post(
      '/internal/pull/trigger',
      {
        schema: {
          ...{ tags: ['schedules'], operationId: 'triggerPull', summary: 'Take what waits now' },
          body: triggerPull.prefault({}),
          response: { 200: envelope(pullTriggered) },
        },
      },
      async ({ body }) => ok({ ...deps.pull(body.schedule_modes), reason: body.reason }),
    )
  }
}

const ok = <T>(data: T) => ({ code: 0, message: 'success', data })
