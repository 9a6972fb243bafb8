/**
 * Which web pages may call. A browser sends the page's origin with every call that could do harm, so a page of somebody
 * else is refused here, whatever token or address the call has.
 */
import { TuttiError } from '@tutti/contracts'
import type { FastifyInstance, FastifyRequest } from 'fastify'

const methods = 'GET, HEAD, POST, PUT, PATCH, DELETE'
const requestHeaders = 'Authorization, Content-Type, X-Client-Token, X-Request-ID, X-Trace-ID'

export const allowOrigins = (app: FastifyInstance, origins: readonly string[]): void => {
  app.addHook('onRequest', async (request, reply) => {
    const { origin } = request.headers
    if (origin === undefined) return
    if (!isAllowed(request, origin, origins))
      throw new TuttiError('FORBIDDEN', `Pages of ${origin} may not call; CORS_ORIGINS lists those that may`)
    reply.headers({
      'access-control-allow-origin': origin,
      'access-control-allow-credentials': 'true',
      'access-control-expose-headers': 'X-Request-ID, X-Trace-ID, X-Has-More, Link',
      vary: 'Origin',
    })
    if (request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined)
      return reply
        .code(204)
        .headers({
          'access-control-allow-methods': methods,
          'access-control-allow-headers': requestHeaders,
          'access-control-max-age': '600',
        })
        .send()
  })
}

const isAllowed = (request: FastifyRequest, origin: string, origins: readonly string[]): boolean =>
  origins.includes(origin) || URL.parse(origin)?.host === request.headers.host
