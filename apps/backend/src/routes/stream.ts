import { Readable } from 'node:stream'
import { failures } from '@tutti/openapi'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { serveSocket } from '../stream/socket.ts'
import { asEvents } from '../stream/sse.ts'
import { workspaceFrames } from '../stream/workspace-frames.ts'
import { idParams } from './params.ts'

const tags = ['streams']

const since = z.coerce.number().int().min(0)
/** What an older console says of itself; it may only say what is so. */
const claimedUser = z.object({ user_id: z.string().optional() })

/** The live streams: of one session, and of all sessions of a user. */
export const streamRoutes = (deps: RouteDeps): FastifyPluginAsyncZod => {
  const { workbench, config, open } = deps
  const { userId } = config
  return async (app) => {
    app.get(
      '/ws/sessions/:id',
      {
        websocket: true,
        schema: {
          tags,
          operationId: 'followSession',
          summary: 'Follow a session on a WebSocket',
          description:
            'Connect with `since` to go on after a frame. What is not yours is told as not found in the first frame.',
          params: idParams,
          querystring: claimedUser.extend({ since: since.optional() }),
          response: { 101: z.undefined().describe('Frames follow') },
        },
      },
      (socket, { params, query, headers }) => {
        if (!isUser(userId, query.user_id, headers['x-user-id'])) return socket.close(1008, 'another user')
        const workspace = workspaceFrames(deps, userId, params.id)
        const follow = (signal: AbortSignal) =>
          workbench.follow({
            sessionId: params.id,
            userId,
            signal,
            ...(query.since === undefined ? {} : { since: query.since }),
          })
        return serveSocket(deps, socket, {
          frames: (signal) => workspace.among(follow(signal)),
          requests: {
            'session.snapshot.request': () => workbench.snapshot(userId, params.id),
            'workspace.files.request': () => workspace.files(),
            'workspace.file.url.request': ({ path }) => workspace.address(path),
          },
          about: { session_id: params.id },
        })
      },
    )

    app.get(
      '/ws/user',
      {
        websocket: true,
        schema: {
          tags,
          operationId: 'followUser',
          summary: 'Follow all your sessions on a WebSocket',
          querystring: claimedUser,
          response: { 101: z.undefined().describe('Frames follow') },
        },
      },
      (socket, { query, headers }) => {
        if (!isUser(userId, query.user_id, headers['x-user-id'])) return socket.close(1008, 'another user')
        return serveSocket(deps, socket, {
          frames: (signal) => workbench.followUser({ userId, signal }),
          requests: {},
          about: { user_id: userId },
        })
      },
    )

    app.get(
      '/sessions/:id/stream',
      {
        schema: {
          tags,
          operationId: 'streamSession',
          summary: 'Follow a session as server-sent events',
          description: 'Resume with `since` or the header Last-Event-ID.',
          params: idParams,
          querystring: z.object({ since: since.optional() }),
          response: {
            200: { description: 'The log', content: { 'text/event-stream': { schema: z.string() } } },
            ...failures('SESSION_NOT_FOUND'),
          },
        },
      },
      async ({ params, query, headers }, reply) => {
        const resumed = since.safeParse(headers['last-event-id']).data
        const from = query.since ?? resumed
        // Here, so that an unknown session is refused with a status.
        await workbench.session(userId, params.id)
        const signal = open.enter(reply)
        const frames = workbench.follow({
          sessionId: params.id,
          userId,
          signal,
          ...(from === undefined ? {} : { since: from }),
        })
        return reply
          .type('text/event-stream; charset=utf-8')
          .header('cache-control', 'no-cache, no-transform')
          .header('x-accel-buffering', 'no')
          .send(Readable.from(asEvents(frames, { quietMs: config.pingMs, signal })) as unknown as string)
      },
    )
  }
}

const isUser = (userId: string, ...claims: (string | string[] | undefined)[]): boolean =>
  claims.every((claim) => claim === undefined || claim === userId)
