/** What lies on this host, for an operator. */
import {
  envelope,
  hostWorkspaces,
  liveFiles,
  workspaceArchived,
  workspaceRemoved,
  workspaceStats,
} from '@tutti/contracts'
import { attachment } from '@tutti/objects'
import { failures } from '@tutti/openapi'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { type LiveDeps, listLive, openLive } from '../workspaces/live-files.ts'
import { type LookDeps, workspaceStatsOf, workspacesOf } from '../workspaces/look.ts'
import { archiveWorkspace, dropWorkspace, type PutAwayDeps } from '../workspaces/put-away.ts'

export type WorkspaceDeps = LookDeps & PutAwayDeps & LiveDeps

const userParams = z.object({ user: z.string().min(1).max(200) })
const placeParams = userParams.extend({ session: z.uuid().lowercase() })
const forceQuery = z.object({ force: z.enum(['true', 'false', '1', '0', '']).default('false') })
const fileQuery = z.object({ path: z.string().min(1).max(1024) })

const tags = ['workspaces']

export const workspaceRoutes = (deps: WorkspaceDeps): FastifyPluginAsyncZod => {
  return async (app) => {
    app.get(
      '/workspace/stats',
      {
        schema: {
          ...{ tags, operationId: 'getWorkspaceStats', summary: 'Count the workspaces and archives of this host' },
          response: { 200: envelope(workspaceStats) },
        },
      },
      async () => ok(await workspaceStatsOf(deps)),
    )

    app.get(
      '/workspace/users/:user',
      {
        schema: {
          ...{ tags, operationId: 'listUserWorkspaces', summary: 'List what this host has of a user' },
          ...{ params: userParams, response: { 200: envelope(hostWorkspaces) } },
        },
      },
      async ({ params }) => ok(await workspacesOf(deps, params.user)),
    )

    app.post(
      '/workspace/archive/:user/:session',
      {
        schema: {
          ...{ tags, operationId: 'archiveWorkspace', summary: 'Pack a workspace; it stays where it is' },
          ...{
            params: placeParams,
            response: { 200: envelope(workspaceArchived), ...failures('WORKSPACE_NOT_FOUND', 'SESSION_BUSY') },
          },
        },
      },
      async ({ params }) => {
        const { user, session } = params
        return ok(await archiveWorkspace(deps, user, session))
      },
    )

    app.delete(
      '/workspace/:user/:session',
      {
        schema: {
          ...{ tags, operationId: 'removeWorkspace' },
          summary: 'Remove a workspace; with force also one that is in use or not stored',
          ...{
            params: placeParams,
            querystring: forceQuery,
            response: {
              200: envelope(workspaceRemoved),
              ...failures('WORKSPACE_NOT_FOUND', 'SESSION_BUSY', 'WORKSPACE_NOT_STORED'),
            },
          },
        },
      },
      async ({ params, query }) => {
        const { user, session } = params
        const { force } = query
        return ok(await dropWorkspace(deps, user, session, force === 'true' || force === '1' || force === ''))
      },
    )

    app.get(
      '/workspace/files/:user/:session',
      {
        schema: {
          ...{ tags, operationId: 'listLiveFiles', summary: 'List the files of a workspace as they are now' },
          ...{ params: placeParams, response: { 200: envelope(liveFiles), ...failures('WORKSPACE_NOT_FOUND') } },
        },
      },
      async ({ params }, reply) => {
        const { user, session } = params
        const gone = new AbortController()
        reply.raw.once('close', () => gone.abort())
        return ok(await listLive(deps, user, session, gone.signal))
      },
    )

    app.get(
      '/workspace/file/:user/:session',
      {
        schema: {
          ...{ tags, operationId: 'getLiveFile', summary: 'Download a file of a workspace as it is now' },
          ...{
            params: placeParams,
            querystring: fileQuery,
            response: {
              200: z.unknown().describe('The content'),
              ...failures('WORKSPACE_NOT_FOUND', 'FILE_NOT_FOUND'),
            },
          },
        },
      },
      async ({ params, query }, reply) => {
        const { user, session } = params
        const { handle, size, name } = await openLive(deps, user, session, query.path)
        // An agent at work may go on writing: more than was announced would break the answer.
        const content = handle.createReadStream(size === 0 ? {} : { end: size - 1 })
        return reply
          .headers({
            'content-type': 'application/octet-stream',
            'content-disposition': attachment(name),
            'content-security-policy': "default-src 'none'; sandbox",
            'x-content-type-options': 'nosniff',
          })
          .send(content)
      },
    )
  }
}

const ok = <T>(data: T) => ({ code: 0, message: 'success', data })
