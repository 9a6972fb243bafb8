/** What an operator may do without a restart. */
import type { Reloader, ReloadOutcome } from '@tutti/config'
import { TuttiError } from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { clientOf, requireOperator } from '../auth/client.ts'
import type { RouteDeps } from '../deps.ts'
import { failures } from '../errors.ts'

/** The files that can be read again, each with the word that it is answered with. */
const files = [
  { name: 'clients', status: 'client_configs_reloaded', reload: (reloader) => reloader.reloadClients() },
  { name: 'workers', status: 'worker_configs_reloaded', reload: (reloader) => reloader.reloadWorkers() },
  { name: 'schedules', status: 'schedule_configs_reloaded', reload: (reloader) => reloader.reloadSchedules() },
] as const satisfies { name: string; status: string; reload: (reloader: Reloader) => Promise<ReloadOutcome> }[]

export const adminRoutes = ({ reloader, settings, log }: RouteDeps): FastifyPluginAsyncZod => {
  return async (app) => {
    for (const { name, status, reload } of files) {
      app.post(
        `/admin/reload-${name}`,
        {
          schema: {
            tags: ['admin'],
            operationId: `reload${name.slice(0, 1).toUpperCase()}${name.slice(1)}`,
            summary: `Read ${name}.toml again`,
            description: `${name === 'schedules' ? 'For all instances.' : 'For this instance.'} A file with a fault changes nothing.`,
            response: { 200: z.object({ status: z.literal(status) }), ...failures('INVALID_CONFIG', 'FORBIDDEN') },
          },
        },
        async (request) => {
          const client = clientOf(request)
          if (!settings.reloadWithAnyClient) requireOperator(client)
          refuseUnless(await reload(reloader), `${name}.toml`)
          log.info({ client: client.id }, `${name} reloaded`)
          return { status }
        },
      )
    }
  }
}

/** The file is named as people call it: its path tells of the server's disks. */
const refuseUnless = (outcome: ReloadOutcome, file: string): void => {
  if (outcome.status === 'not_configured')
    throw new TuttiError('INVALID_CONFIG', `${outcome.variable} is not set, cannot reload configs.`)
  if (outcome.status === 'refused') {
    const told = outcome.faults.map(({ line, column, what, remedy }) => {
      const place = line === undefined ? '' : ` line ${line}${column === undefined ? '' : `, column ${column}`}`
      return `${file}${place}: ${what}. ${remedy}`
    })
    throw new TuttiError('INVALID_CONFIG', told.join('\n'))
  }
}
