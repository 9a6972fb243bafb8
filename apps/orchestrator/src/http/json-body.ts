/** Reading request bodies. */
import { TuttiError } from '@tutti/contracts'
import type { FastifyInstance } from 'fastify'

/**
 * Every body is read as JSON, whatever its content type says: workers of the older protocol and `curl -d` send others.
 * That opens no door to other sites' forms, because tokens travel in headers and never in cookies. An empty body is no body.
 */
export const readJsonBodies = (app: FastifyInstance): void => {
  // 'error': a key such as __proto__ would otherwise reach code that merges what clients send.
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser<string>('*', { parseAs: 'string' }, (request, body, done) => {
    if (body.trim() === '') {
      done(null, undefined)
      return
    }
    parse(request, body, (error, value) => {
      if (error) done(new TuttiError('INVALID_BODY', 'Invalid JSON body', { path: 'body', cause: error }), undefined)
      else done(null, value)
    })
  })
}
