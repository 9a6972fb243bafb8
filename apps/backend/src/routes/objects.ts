import type { Readable } from 'node:stream'
import { handleObjectRequest } from '@tutti/objects'
import type { FastifyPluginAsync } from 'fastify'
import type { RouteDeps } from '../deps.ts'
import { fault, send } from '../http/errors.ts'

/** Where presigned addresses of a local folder lead: the signature in the address is all that counts. */
export const objectRoutes = ({ objects, config }: RouteDeps): FastifyPluginAsync => {
  const { verifyPresigned } = objects
  return async (app) => {
    if (!verifyPresigned) return
    const deps = { store: objects, verifyPresigned, maxUploadBytes: config.maxUploadBytes }
    // An upload is stored as it comes: nothing is parsed, and no more than a few chunks are held in memory.
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
    app.route({
      method: ['GET', 'HEAD', 'PUT'],
      url: '/objects/*',
      bodyLimit: config.maxUploadBytes,
      handler: async (request, reply) => {
        const {
          status,
          headers,
          body,
          fault: refused,
        } = await handleObjectRequest(deps, {
          method: request.method,
          url: request.url,
          headers: request.headers,
          body: (request.body as Readable | undefined) ?? null,
        })
        reply.headers(headers)
        if (refused) return send(reply, fault(status, refused.code, refused.message))
        return reply.code(status).send(body)
      },
    })
  }
}
