import type { Readable } from 'node:stream'
import { handleObjectRequest } from '@tutti/objects'
import type { FastifyPluginAsync } from 'fastify'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { fault, send } from '../http/errors.ts'

const refusal = z.object({
  code: z.int(),
  message: z.string(),
  data: z.object({ code: z.string(), hint: z.string(), retryable: z.boolean() }),
})
const content = { 'application/octet-stream': { schema: z.string() } }
const answers = {
  200: { description: 'The content, or that it is stored', content },
  206: { description: 'The part that was asked for', content },
  304: z.undefined().describe('It has not changed'),
  '4xx': refusal.describe('The address is not valid any more, or leads nowhere, or the content is refused'),
  '5xx': refusal.describe('There is no room, or storage does not answer'),
}

/** Where presigned addresses of a local folder lead: the signature in the address is all that counts. */
export const objectRoutes = ({ objects, config }: RouteDeps): FastifyPluginAsync => {
  const { verifyPresigned } = objects
  return async (app) => {
    if (!verifyPresigned) return
    const deps = { store: objects, verifyPresigned, maxUploadBytes: config.maxUploadBytes }
    // An upload is stored as it comes: nothing is parsed, and no more than a few chunks are held in memory.
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
    for (const [method, operationId, summary] of [
      ['GET', 'readObject', 'Fetch what a presigned address leads to'],
      ['HEAD', 'headObject', 'Ask about what a presigned address leads to'],
      ['PUT', 'writeObject', 'Store at a presigned address'],
    ] as const)
      app.route({
        method,
        url: '/objects/*',
        bodyLimit: config.maxUploadBytes,
        // The signature in the address is the authorisation; how it is refused is object storage's own list of codes.
        schema: {
          ...{ tags: ['files'], security: [], operationId, summary },
          params: z.object({ '*': z.string() }),
          response: answers,
        },
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
