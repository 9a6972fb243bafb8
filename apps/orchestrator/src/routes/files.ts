/** Files of a job: clients bring what it works on and fetch what it made. Large ones go straight to object storage. */
import type { Readable } from 'node:stream'
import { type ErrorCode, filePage, fileUpload, fileUploaded, TuttiError } from '@tutti/contracts'
import { checkName, jobPrefix, type ObjectFault, ObjectStoreError, receiveObject } from '@tutti/objects'
import type { FastifyRequest } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { clientOf } from '../auth/client.ts'
import type { JobFiles, RouteDeps } from '../deps.ts'
import { failures } from '../errors.ts'
import { asked } from '../http/asked.ts'
import { jobId, jobParams } from './job-id.ts'

const tags = ['files']
const downloadSeconds = 60
const fileParams = jobParams.extend({
  filename: z.string().describe('Relative to the job; a slash within it is written %2F.'),
})

export const fileRoutes = ({ engine, files, instant }: RouteDeps): FastifyPluginAsyncZod => {
  /** The store, and where in it the caller's job keeps its files. @throws TuttiError FILES_NOT_ENABLED, JOB_NOT_FOUND */
  const placeOf = async (request: FastifyRequest, params: { id: string }): Promise<JobFiles & { prefix: string }> => {
    if (!files) throw new TuttiError('FILES_NOT_ENABLED', 'S3 support is not enabled')
    const { id } = await engine.job(jobId(params), clientOf(request).id)
    return { ...files, prefix: jobPrefix(id) }
  }

  return async (app) => {
    app.get(
      '/jobs/:id/files',
      {
        schema: {
          tags,
          operationId: 'listFiles',
          summary: 'List a job’s files',
          params: jobParams,
          querystring: z.object({
            limit: z.coerce.number().int().min(1).max(1000).default(100),
            cursor: z.string().max(1024).optional(),
          }),
          response: {
            200: filePage,
            ...failures('INVALID_QUERY', 'JOB_NOT_FOUND', 'FILES_NOT_ENABLED', 'STORE_UNAVAILABLE'),
          },
        },
      },
      async (request) => {
        const { objects, prefix } = await placeOf(request, request.params)
        const { limit, cursor } = request.query
        const after = cursor === undefined ? null : prefix + named(cursor, 'query.cursor')
        const page = await asked(objects.list(prefix, after, limit))
        return {
          items: page.objects.map(({ key, size, modifiedAt }) => ({
            name: key.slice(prefix.length),
            size,
            modified_at: instant(modifiedAt.getTime()),
          })),
          next_cursor: page.cursor?.slice(prefix.length) ?? null,
        }
      },
    )

    app.get(
      '/jobs/:id/files/upload',
      {
        schema: {
          tags,
          operationId: 'addressForUpload',
          summary: 'Get an address to upload a file to',
          description: 'PUT the bytes to it; it needs no token, and overwrites a file of that name.',
          params: jobParams,
          querystring: z.object({
            filename: z.string(),
            expires_in: z.coerce.number().int().min(1).max(604_800).default(3600).describe('Seconds.'),
          }),
          response: {
            200: fileUpload,
            ...failures('INVALID_QUERY', 'JOB_NOT_FOUND', 'FILES_NOT_ENABLED', 'STORE_UNAVAILABLE'),
          },
        },
      },
      async (request) => {
        const { objects, prefix } = await placeOf(request, request.params)
        const { filename, expires_in } = request.query
        const key = prefix + named(filename, 'query.filename')
        const url = await asked(objects.presignPut(key, { expiresSeconds: expires_in }))
        return { url, expires_in, method: 'PUT' as const }
      },
    )

    app.get(
      '/jobs/:id/files/download/:filename',
      {
        schema: {
          tags,
          operationId: 'downloadFile',
          summary: 'Download a file',
          description: `Leads to an address that works for ${downloadSeconds} seconds.`,
          params: fileParams,
          response: {
            302: z.null().describe('To the file.'),
            ...failures('INVALID_BODY', 'FILE_NOT_FOUND', 'FILES_NOT_ENABLED', 'STORE_UNAVAILABLE'),
          },
        },
      },
      async (request, reply) => {
        const { objects, prefix } = await placeOf(request, request.params)
        const name = named(request.params.filename, 'path.filename')
        if ((await asked(objects.head(prefix + name))) === null)
          throw new TuttiError('FILE_NOT_FOUND', `There is no file ${JSON.stringify(name)}`)
        const url = await asked(objects.presignGet(prefix + name, { expiresSeconds: downloadSeconds }))
        // Each answer has an address of its own, which is a secret for as long as it works.
        return reply.header('cache-control', 'no-store').redirect(url, 302)
      },
    )

    await app.register(async (scope) => {
      // Stored as it comes: nothing is parsed, and no more than a few chunks are held in memory.
      scope.removeAllContentTypeParsers()
      scope.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
      scope.put(
        '/jobs/:id/files/content/:filename',
        {
          schema: {
            tags,
            operationId: 'uploadFile',
            summary: 'Upload a file',
            description: 'The body is the file, of any Content-Type.',
            params: fileParams,
            response: {
              200: fileUploaded,
              ...failures(
                'INVALID_BODY',
                'JOB_NOT_FOUND',
                'PAYLOAD_TOO_LARGE',
                'FILES_NOT_ENABLED',
                'STORE_UNAVAILABLE',
              ),
            },
          },
        },
        async (request) => {
          // The scope has a type provider of its own; the route's schema has made this of them.
          const params = request.params as unknown as z.output<typeof fileParams>
          const { objects, prefix, bucket, maxUploadBytes } = await placeOf(request, params)
          const key = prefix + named(params.filename, 'path.filename')
          const { method, url, headers } = request
          const body = (request.body as Readable | undefined) ?? null
          const { fault } = await asked(receiveObject(objects, key, { method, url, headers, body }, maxUploadBytes))
          if (fault) throw new TuttiError(codeOf(fault), fault.message, { path: 'body' })
          return { status: 'uploaded' as const, s3_uri: `s3://${bucket}/${key}` }
        },
      )
    })
  }
}

const named = (name: string, path: string): string => {
  try {
    return checkName(name)
  } catch (error) {
    if (!(error instanceof ObjectStoreError)) throw error
    throw new TuttiError(path.startsWith('query') ? 'INVALID_QUERY' : 'INVALID_BODY', error.message, { path })
  }
}

const codeOf = ({ code }: ObjectFault): ErrorCode => {
  if (code === 'PAYLOAD_TOO_LARGE') return code
  return code === 'INVALID_REQUEST' ? 'INVALID_BODY' : 'STORE_UNAVAILABLE'
}
