/** Uploads: files to be sent with a message, or kept in a project. */
import multipart from '@fastify/multipart'
import { envelope, type InputFile, inputFile, TuttiError } from '@tutti/contracts'
import { failures } from '@tutti/openapi'
import type { FastifyRequest } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'

/** What stands around the one file of a form: boundaries, names, fields that nobody asked for. */
const aroundBytes = 64 * 1024

/** Parts beside the file are read over; with more of them than this it is no form of ours. */
const limits = { files: 4, fields: 16, parts: 20, fieldSize: 16 * 1024, fieldNameSize: 100, headerPairs: 20 }

export const attachmentRoutes = ({ workbench, config }: RouteDeps): FastifyPluginAsyncZod => {
  const tooLarge = () =>
    new TuttiError('PAYLOAD_TOO_LARGE', `A file may have at most ${config.maxUploadBytes} bytes`, { path: 'body.file' })

  /** The first part named `file`; all others are read over, so that the answer finds its way. */
  const take = async (request: FastifyRequest): Promise<InputFile> => {
    const kept: { file?: InputFile } = {}
    try {
      for await (const part of request.parts()) {
        if (part.type !== 'file') continue
        if (part.fieldname !== 'file' || kept.file !== undefined) {
          if (part.fieldname === 'file') throw invalid('one file at a time')
          part.file.resume()
          continue
        }
        kept.file = await workbench.upload(config.userId, {
          ...{ name: part.filename, contentType: part.mimetype, body: part.file },
        })
      }
    } catch (error) {
      if (kept.file !== undefined) await workbench.dropUpload(kept.file.source)
      throw asKnown(error) ?? error
    }
    if (kept.file === undefined) throw invalid('the form has no file of this name')
    return kept.file
  }

  const asKnown = (error: unknown): TuttiError | undefined => {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'FST_REQ_FILE_TOO_LARGE') return tooLarge()
    return code === 'FST_INVALID_MULTIPART_CONTENT_TYPE' ? invalid('send a form, multipart/form-data') : undefined
  }

  return async (app) => {
    await app.register(multipart, { limits: { ...limits, fileSize: config.maxUploadBytes } })

    app.post(
      '/attachments/upload',
      {
        schema: {
          ...{ tags: ['attachments'], operationId: 'uploadAttachment' },
          summary: 'Upload a file, as the part `file` of a form, to name it in a message or a project',
          ...{
            consumes: ['multipart/form-data'],
            response: { 200: envelope(inputFile), ...failures('FILES_NOT_ENABLED') },
          },
        },
        // Known before a byte was read: whoever sends that much need not send it to its end.
        onRequest: async ({ headers }) => {
          if (Number(headers['content-length'] ?? 0) > config.maxUploadBytes + aroundBytes) throw tooLarge()
        },
      },
      async (request, reply) => {
        try {
          return ok(await take(request))
        } catch (error) {
          // Parts that nobody reads any more would be taken for the next request on this connection.
          if (!request.raw.readableEnded) reply.header('connection', 'close')
          throw error
        }
      },
    )
  }
}

const invalid = (message: string): TuttiError =>
  new TuttiError('INVALID_BODY', `body.file: ${message}`, { path: 'body.file' })
