/** Single things of a workspace, for sessions and runs alike: one file, one picture of the browser. */
import { envelope, fileAddress, pictureView, TuttiError } from '@tutti/contracts'
import { failures } from '@tutti/openapi'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'
import { addressOf } from './file-views.ts'
import { folderQuery, idParams } from './params.ts'

const tags = ['workspaces']
const pictureParams = idParams.extend({ tool_use_id: z.string().regex(/^[A-Za-z0-9_-]{1,128}$/) })

export const workspaceRoutes = ({ workbench, objects, config }: RouteDeps): FastifyPluginAsyncZod => {
  const { userId } = config

  return async (app) => {
    for (const [place, operationId, of] of [
      ['sessions', 'getSessionFile', (id: string) => ({ sessionId: id })],
      ['runs', 'getRunFile', (id: string) => ({ runId: id })],
    ] as const)
      app.get(
        `/${place}/:id/workspace/file`,
        {
          schema: {
            ...{ tags, operationId, summary: 'Get the address of one file of the workspace' },
            ...{
              params: idParams,
              querystring: folderQuery,
              response: {
                200: envelope(fileAddress),
                ...failures(
                  'SESSION_NOT_FOUND',
                  'RUN_NOT_FOUND',
                  'SNAPSHOT_NOT_FOUND',
                  'FILES_NOT_ENABLED',
                  'FILE_NOT_FOUND',
                ),
              },
            },
          },
        },
        async ({ params, query }) => {
          const file = await workbench.file(userId, of(params.id), query.path)
          return ok({ path: `/${file.path}`, url: await addressOf({ objects, config }, file) })
        },
      )

    for (const [place, operationId, of] of [
      ['sessions', 'getSessionPicture', (id: string) => ({ sessionId: id })],
      ['runs', 'getRunPicture', (id: string) => ({ runId: id })],
    ] as const)
      app.get(
        `/${place}/:id/computer/browser/:tool_use_id`,
        {
          schema: {
            ...{ tags, operationId, summary: 'Get the picture that a tool call of the browser left' },
            ...{
              params: pictureParams,
              response: {
                200: envelope(pictureView),
                ...failures('SESSION_NOT_FOUND', 'RUN_NOT_FOUND', 'FILE_NOT_FOUND'),
              },
            },
          },
        },
        async ({ params: { id, tool_use_id } }) => {
          const key = await workbench.pictureKey(userId, of(id), tool_use_id)
          // The picture comes after the call, and many calls show nothing.
          if (key === null || (await objects.head(key)) === null)
            throw new TuttiError('FILE_NOT_FOUND', 'There is no picture of this tool call')
          const url = await objects.presignGet(key, { expiresSeconds: config.presignSeconds })
          return ok({ tool_use_id, url })
        },
      )
  }
}
