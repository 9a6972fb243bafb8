/** What Prometheus scrapes. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { TuttiError } from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { RouteDeps } from '../deps.ts'

export const metricsRoutes = ({ metrics, settings }: RouteDeps): FastifyPluginAsyncZod => {
  return async (app) => {
    app.get('/metrics', { schema: { hide: true } }, async (request, reply) => {
      if (settings.metricsToken !== '' && !isToken(request.headers.authorization, settings.metricsToken))
        throw new TuttiError('UNAUTHENTICATED', 'Metrics want the header Authorization: Bearer with METRICS_TOKEN')
      return reply.type(metrics.contentType).send(await metrics.render())
    })
  }
}

/** Compared as hashes: neither its length nor its first characters can be measured. */
const isToken = (header: string | undefined, token: string): boolean => {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest()
  const [, given = ''] = /^Bearer +(\S+) *$/i.exec(header ?? '') ?? []
  return timingSafeEqual(hash(given), hash(token))
}
