/** What lies on this host, for an operator. */
import {
  envelope,
  hostWorkspaces,
  liveFiles,
  TuttiError,
  workspaceArchived,
  workspaceRemoved,
  workspaceStats,
} from '@tutti/contracts'
import { attachment } from '@tutti/objects'
import type { FastifyPluginAsync } from 'fastify'
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

export const workspaceRoutes = (deps: WorkspaceDeps): FastifyPluginAsync => {
  return async (app) => {
    // What is checked here is told with its place; the schemas are for the API's document.
    app.setValidatorCompiler(() => (value) => ({ value }))
    app.setSerializerCompiler(() => JSON.stringify)

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
      async ({ params }) => ok(await workspacesOf(deps, inPath(userParams, params).user)),
    )

    app.post(
      '/workspace/archive/:user/:session',
      {
        schema: {
          ...{ tags, operationId: 'archiveWorkspace', summary: 'Pack a workspace; it stays where it is' },
          ...{ params: placeParams, response: { 200: envelope(workspaceArchived) } },
        },
      },
      async ({ params }) => {
        const { user, session } = inPath(placeParams, params)
        return ok(await archiveWorkspace(deps, user, session))
      },
    )

    app.delete(
      '/workspace/:user/:session',
      {
        schema: {
          ...{ tags, operationId: 'removeWorkspace' },
          summary: 'Remove a workspace; with force also one that is in use or not stored',
          ...{ params: placeParams, querystring: forceQuery, response: { 200: envelope(workspaceRemoved) } },
        },
      },
      async ({ params, query }) => {
        const { user, session } = inPath(placeParams, params)
        const { force } = inQuery(forceQuery, query)
        return ok(await dropWorkspace(deps, user, session, force === 'true' || force === '1' || force === ''))
      },
    )

    app.get(
      '/workspace/files/:user/:session',
      {
        schema: {
          ...{ tags, operationId: 'listLiveFiles', summary: 'List the files of a workspace as they are now' },
          ...{ params: placeParams, response: { 200: envelope(liveFiles) } },
        },
      },
      async ({ params }, reply) => {
        const { user, session } = inPath(placeParams, params)
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
          ...{ params: placeParams, querystring: fileQuery },
        },
      },
      async ({ params, query }, reply) => {
        const { user, session } = inPath(placeParams, params)
        const { handle, size, name } = await openLive(deps, user, session, inQuery(fileQuery, query).path)
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

/** An address that can’t be one is as unknown as any other. */
const inPath = <Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> => {
  const { data, error } = schema.safeParse(value)
  if (error) throw new TuttiError('NOT_FOUND', 'There is nothing at this address')
  return data
}

const inQuery = <Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> => {
  const { data, error } = schema.safeParse(value)
  if (!error) return data
  const [issue] = error.issues
  const path = ['query', ...(issue?.path ?? [])].join('.')
  throw new TuttiError('INVALID_QUERY', `${path}: ${issue?.message ?? 'invalid'}`, { path })
}
