/** What an operator may do without a restart. */
import { TuttiError } from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { clientOf, requireOperator } from '../auth/client.ts'
import type { RouteDeps } from '../deps.ts'
import { failures } from '../errors.ts'

export const adminRoutes = ({ reloadWorkers, log }: RouteDeps): FastifyPluginAsyncZod => {
  return async (app) => {
    app.post(
      '/admin/reload-workers',
      {
        schema: {
          tags: ['admin'],
          summary: 'Read workers.toml again',
          description: 'For this instance. A file with a fault changes nothing.',
          response: {
            200: z.object({ status: z.literal('worker_configs_reloaded') }),
            ...failures('INVALID_CONFIG', 'FORBIDDEN'),
          },
        },
      },
      async (request) => {
        const client = clientOf(request)
        requireOperator(client)
        if (reloadWorkers === undefined)
          throw new TuttiError('INVALID_CONFIG', 'WORKERS_CONFIG_PATH is not set, cannot reload configs.')
        const [fault] = reloadWorkers()
        if (fault) {
          const line = fault.line === undefined ? '' : ` line ${fault.line}`
          throw new TuttiError('INVALID_CONFIG', `workers.toml${line}: ${fault.what}. ${fault.remedy}`)
        }
        log.info({ client: client.id }, 'workers reloaded')
        return { status: 'worker_configs_reloaded' as const }
      },
    )
  }
}
