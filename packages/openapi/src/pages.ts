import type { FastifyInstance } from 'fastify'
import { docsPage, type Endpoint, type OpenApiDocument } from './docs-page.ts'

/**
 * GET /openapi.json, and the same for people at /docs. Both tell only what any reader of the sources knows, so nobody is
 * asked for a token.
 *
 * @param endpoints of blueprints, as they are at the moment of the request
 */
export const documentPages = (app: FastifyInstance, endpoints?: () => Endpoint[]): void => {
  const schema = { hide: true, security: [] }
  app.get('/openapi.json', { schema }, async (_request, reply) => reply.send(app.swagger()))

  app.get('/docs', { schema }, async (_request, reply) =>
    reply
      .type('text/html; charset=utf-8')
      .headers({
        'content-security-policy':
          "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; base-uri 'none'",
        'x-content-type-options': 'nosniff',
      })
      .send(docsPage(app.swagger() as unknown as OpenApiDocument, endpoints?.() ?? null, 'openapi.json')),
  )
}
