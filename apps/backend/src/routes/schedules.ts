import { envelope, type PullSchedules, pullSchedules, TuttiError } from '@tutti/contracts'
import { failures } from '@tutti/openapi'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'

/** A page waits for it. */
const patienceMs = 3_000

/** When runs are taken, as the executor manager says. */
export const scheduleRoutes = ({ config, log }: RouteDeps): FastifyPluginAsyncZod => {
  const ask = async (): Promise<PullSchedules> => {
    const response = await fetch(`${config.managerUrl}/api/v1/schedules`, {
      headers: { 'x-internal-token': config.internalToken },
      signal: AbortSignal.timeout(patienceMs),
      // Followed, it would carry the token to wherever somebody points it.
      redirect: 'manual',
    })
    if (!response.ok) throw new Error(`the executor manager answered ${response.status}`)
    const { data } = (await response.json()) as { data: unknown }
    return pullSchedules.parse(data)
  }
  return async (app) => {
    app.get(
      '/schedules',
      {
        schema: {
          tags: ['schedules'],
          operationId: 'readPullSchedules',
          summary: 'Read when runs are taken',
          response: { 200: envelope(pullSchedules), ...failures('MANAGER_UNAVAILABLE') },
        },
      },
      async () => {
        if (config.managerUrl === '') throw new TuttiError('MANAGER_UNAVAILABLE', 'EXECUTOR_MANAGER_URL is not set')
        try {
          return ok(await ask())
        } catch (error) {
          // Addresses and tokens are for the log only.
          log.warn({ err: error }, 'the executor manager did not tell its schedules')
          throw new TuttiError('MANAGER_UNAVAILABLE', 'The executor manager does not answer')
        }
      },
    )
  }
}
