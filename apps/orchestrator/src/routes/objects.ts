/** Where presigned addresses lead when files lie in a local folder: the signature in the address is all that counts. */
import type { Readable } from 'node:stream'
import { TuttiError } from '@tutti/contracts'
import { handleObjectRequest } from '@tutti/objects'
import type { FastifyPluginAsync } from 'fastify'
import type { RouteDeps } from '../deps.ts'

export const objectRoutes = ({ files }: RouteDeps): FastifyPluginAsync => {
  return async (app) => {
    const verifyPresigned = files?.verifyPresigned
    if (!files || !verifyPresigned) return
    const deps = { store: files.objects, verifyPresigned, maxUploadBytes: files.maxUploadBytes }
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
    app.route({
      method: ['GET', 'HEAD', 'PUT'],
      url: '/objects/*',
      schema: { hide: true },
      handler: async (request, reply) => {
        const { method, url, headers } = request
        const body = (request.body as Readable | undefined) ?? null
        const answer = await handleObjectRequest(deps, { method, url, headers, body })
        reply.headers(answer.headers)
        const { fault } = answer
        if (!fault) return reply.code(answer.status).send(answer.body)
        if (fault.code === 'FILE_NOT_FOUND' || fault.code === 'PAYLOAD_TOO_LARGE' || fault.code === 'FORBIDDEN')
          throw new TuttiError(fault.code, fault.message)
        if (fault.code === 'LINK_EXPIRED') throw new TuttiError('FORBIDDEN', fault.message)
        if (fault.code === 'NO_SPACE') throw new TuttiError('STORE_UNAVAILABLE', fault.message)
        // Ranges and methods: what HTTP itself has the words for.
        return reply.code(answer.status).send()
      },
    })
  }
}
