/** Files for workers that have no keys of their own: for each one an address that works for a while, and for nothing else. */
import {
  TuttiError,
  taskFileDownload,
  taskFileOffer,
  taskFileQuery,
  taskFileUpload,
  taskFolderPage,
  taskFolderQuery,
} from '@tutti/contracts'
import { checkName, hashHeader, jobPrefix, ObjectStoreError } from '@tutti/objects'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { namedWorkerOf, requireWorkerInBody } from '../auth/worker/index.ts'
import { failures } from '../errors.ts'
import { asked } from '../http/asked.ts'
import type { WorkerRouteDeps } from './index.ts'
import { type Reader, readableKey } from './may-read.ts'
import { signed } from './signed.ts'

const tags = ['worker protocol']
/** Long enough for a large file; the lease is looked at once more for the next one. */
const expiresSeconds = 3600
const taskParams = z.object({ task_id: z.string().min(1).max(128) })
const refusals = failures(
  'INVALID_QUERY',
  'UNAUTHENTICATED',
  'FILE_DENIED',
  'FILE_NOT_FOUND',
  'LEASE_LOST',
  'FILES_NOT_ENABLED',
  'STORE_UNAVAILABLE',
)

export const fileRoutes = (deps: WorkerRouteDeps): FastifyPluginAsyncZod => {
  const { engine, files, identify, signatures } = deps

  const storage = () => {
    if (!files) throw new TuttiError('FILES_NOT_ENABLED', 'S3 support is not enabled')
    return files
  }
  /** @throws TuttiError LEASE_LOST */
  const heldBy = async (
    worker: string,
    { task_id }: z.output<typeof taskParams>,
    { job_id, lease_token }: { job_id: string; lease_token?: string | undefined },
  ) => {
    const held = await engine.heldTask({
      worker,
      jobId: job_id,
      taskId: task_id,
      ...(lease_token === undefined ? {} : { token: lease_token }),
    })
    if (!held) throw new TuttiError('LEASE_LOST', `Task ${task_id} is not, or no longer, in this worker’s hands`)
    return held
  }
  const keyOf = async (uri: string, reader: Reader): Promise<string> => {
    const key = await readableKey(uri, reader, storage(), engine)
    // The same whether there is such a file or not.
    if (key === null) throw new TuttiError('FILE_DENIED', `This task may not read ${uri}`, { path: 'query.uri' })
    return key
  }

  return async (app) => {
    const authenticate = requireWorkerInBody(identify, 403)

    app.get(
      '/tasks/:task_id/files/download',
      {
        schema: {
          tags,
          summary: 'Get an address to download a file from',
          params: taskParams,
          querystring: taskFileQuery,
          response: { 200: taskFileDownload, ...refusals },
        },
        preValidation: authenticate,
      },
      async (request, reply) => {
        const { objects } = storage()
        const reader = await heldBy(namedWorkerOf(request), request.params, request.query)
        const key = await keyOf(request.query.uri, reader)
        if (key.endsWith('/'))
          throw new TuttiError('INVALID_QUERY', 'This is a folder: list it, and get its files one by one', {
            path: 'query.uri',
          })
        const info = await asked(objects.head(key))
        if (info === null) throw new TuttiError('FILE_NOT_FOUND', `There is no file ${request.query.uri}`)
        const url = await asked(objects.presignGet(key, { expiresSeconds }))
        return reply
          .header('cache-control', 'no-store')
          .send({ url, expires_in: expiresSeconds, size: info.size, sha256: info.sha256 })
      },
    )

    app.get(
      '/tasks/:task_id/files',
      {
        schema: {
          tags,
          summary: 'List the files of a folder',
          params: taskParams,
          querystring: taskFolderQuery,
          response: { 200: taskFolderPage, ...refusals },
        },
        preValidation: authenticate,
      },
      async (request) => {
        const { objects, bucket } = storage()
        const reader = await heldBy(namedWorkerOf(request), request.params, request.query)
        const { uri, cursor } = request.query
        const prefix = await keyOf(uri, reader)
        if (!prefix.endsWith('/'))
          throw new TuttiError('INVALID_QUERY', 'A folder’s address ends with a slash', { path: 'query.uri' })
        const after = cursor === undefined ? null : prefix + named(cursor, 'query.cursor')
        const page = await asked(objects.list(prefix, after))
        return {
          items: page.objects.map(({ key, size }) => ({
            name: key.slice(prefix.length),
            uri: `s3://${bucket}/${key}`,
            size,
          })),
          next_cursor: page.cursor?.slice(prefix.length) ?? null,
        }
      },
    )

    app.post(
      '/tasks/:task_id/files/upload',
      {
        schema: {
          tags,
          summary: 'Get an address to upload a file to',
          description: 'The file becomes one of the job’s: its name begins with `tasks/<task id>/<attempt>/`.',
          params: taskParams,
          body: taskFileOffer,
          response: { 200: taskFileUpload, ...refusals, ...failures('PAYLOAD_TOO_LARGE') },
        },
        preValidation: [authenticate, signed(signatures, 'tell')],
      },
      async (request, reply) => {
        const { objects, bucket, maxUploadBytes, verifyPresigned } = storage()
        const { filename, size = 0, sha256 } = request.body
        const { job, task } = await heldBy(namedWorkerOf(request), request.params, request.body)
        // Only the local folder's addresses lead back to us, where the bound holds.
        if (verifyPresigned && size > maxUploadBytes)
          throw new TuttiError('PAYLOAD_TOO_LARGE', `The file may have at most ${maxUploadBytes} bytes`, {
            path: 'body.size',
          })
        // Each try has a folder of its own: one that was given up can still hold an address that works.
        const name = `tasks/${task.id}/${task.attempt}/${named(filename, 'body.filename')}`
        const key = jobPrefix(job.id) + named(name, 'body.filename')
        const url = await asked(
          objects.presignPut(key, { expiresSeconds, ...(sha256 === undefined ? {} : { sha256 }) }),
        )
        return reply.header('cache-control', 'no-store').send({
          url,
          method: 'PUT' as const,
          headers: sha256 === undefined ? {} : { [hashHeader]: sha256 },
          uri: `s3://${bucket}/${key}`,
          expires_in: expiresSeconds,
        })
      },
    )
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
