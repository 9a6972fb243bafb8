import {
  createSession,
  envelope,
  patchSession,
  rewindSession,
  sessionStateView,
  sessionView,
  steerSession,
} from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'
import { cut, oneMore } from '../http/pages.ts'
import { archiveViewOf, fileTree } from './file-views.ts'
import { folderQuery, idParams, limit, pageQuery, toolsQuery } from './params.ts'
import { toolDelta, toolDeltaQuery } from './tool-deltas.ts'

const sessionsQuery = pageQuery.extend({
  job_id: z.uuid().optional(),
  project_id: z.union([z.uuid(), z.literal('')]).optional(),
  kind: z.enum(['chat', 'scheduled', 'all', '']).default('chat'),
})
const logQuery = z.object({ since: z.coerce.number().int().min(0).default(0), limit: limit.default(1000) })
const cancelBody = z.object({ reason: z.string().trim().max(500).optional() }).default({})

/** Sessions and what belongs to them. */
export const sessionRoutes = ({ workbench, objects, config }: RouteDeps): FastifyPluginAsyncZod => {
  const { userId } = config
  return async (app) => {
    app.get('/sessions', { schema: { querystring: sessionsQuery } }, async (request, reply) => {
      const { job_id, project_id, kind, ...page } = request.query
      const found = await workbench.sessions(userId, {
        ...oneMore(page),
        jobId: job_id,
        projectId: project_id || undefined,
        kind: kind === 'all' || kind === '' ? undefined : kind,
      })
      return ok(cut(request, reply, found, page.limit, () => ({ offset: page.offset + page.limit })))
    })

    app.post(
      '/sessions',
      {
        schema: {
          ...{
            tags: ['sessions'],
            operationId: 'createSession',
            summary: 'Make a session in which nothing was said yet',
          },
          ...{ body: createSession, response: { 200: envelope(sessionView) } },
        },
      },
      async ({ body }) => ok(await workbench.createSession(userId, body)),
    )

    app.get('/sessions/:id', { schema: { params: idParams } }, async ({ params }) =>
      ok(await workbench.session(userId, params.id)),
    )

    app.get('/sessions/:id/state', { schema: { params: idParams } }, async ({ params }) =>
      ok(sessionStateView.parse(await workbench.session(userId, params.id))),
    )

    app.patch('/sessions/:id', { schema: { params: idParams, body: patchSession } }, async ({ params, body }) =>
      ok(await workbench.patchSession(userId, params.id, body)),
    )

    app.delete('/sessions/:id', { schema: { params: idParams } }, async ({ params }) => {
      await workbench.deleteSession(userId, params.id)
      return ok({ id: params.id })
    })

    app.post('/sessions/:id/cancel', { schema: { params: idParams, body: cancelBody } }, async ({ params, body }) =>
      ok(await workbench.cancelSession(userId, params.id, body.reason ?? null)),
    )

    app.post(
      '/sessions/:id/messages/steer',
      { schema: { params: idParams, body: steerSession } },
      async ({ params, body }) => ok(await workbench.steer(userId, params.id, body)),
    )

    app.post('/sessions/:id/interrupt', { schema: { params: idParams } }, async ({ params }) =>
      ok(await workbench.interrupt(userId, params.id)),
    )

    app.get(
      '/sessions/:id/tool-executions',
      { schema: { params: idParams, querystring: toolsQuery } },
      async (request, reply) => {
        const { params, query } = request
        const found = await workbench.toolExecutions(userId, params.id, oneMore(query))
        return ok(cut(request, reply, found, query.limit, () => ({ offset: query.offset + query.limit })))
      },
    )

    app.get(
      '/sessions/:id/tool-executions/delta',
      { schema: { params: idParams, querystring: toolDeltaQuery } },
      async ({ params, query }) => {
        const of = { sessionId: params.id }
        return ok(await toolDelta((page) => workbench.changedToolExecutions(userId, of, page), query))
      },
    )

    app.get('/tool-executions/:id', { schema: { params: idParams } }, async ({ params }) =>
      ok(await workbench.toolExecution(userId, params.id)),
    )

    app.get('/sessions/:id/usage', { schema: { params: idParams } }, async ({ params }) =>
      ok(await workbench.usage(userId, params.id)),
    )

    app.get('/sessions/:id/workspace/files', { schema: { params: idParams } }, async ({ params }) => {
      return ok(await fileTree({ objects, config }, await workbench.files(userId, { sessionId: params.id })))
    })

    app.get('/sessions/:id/workspace/archive', { schema: { params: idParams } }, async ({ params }) =>
      ok(await archiveViewOf({ objects, config }, await workbench.archive(userId, { sessionId: params.id }, null))),
    )

    app.get(
      '/sessions/:id/workspace/folder-archive',
      { schema: { params: idParams, querystring: folderQuery } },
      async ({ params, query }) =>
        ok(
          await archiveViewOf(
            { objects, config },
            await workbench.archive(userId, { sessionId: params.id }, query.path),
          ),
        ),
    )

    app.post('/sessions/:id/rewind', { schema: { params: idParams, body: rewindSession } }, async ({ params, body }) =>
      ok(await workbench.rewind(userId, params.id, body.run_id)),
    )

    app.get(
      '/sessions/:id/events',
      { schema: { params: idParams, querystring: logQuery } },
      async ({ params, query }) => {
        const found = await workbench.log(userId, params.id, { since: query.since, limit: query.limit + 1 })
        const items = found.slice(0, query.limit)
        return ok({ items, next_since: items.at(-1)?.seq ?? query.since, has_more: found.length > items.length })
      },
    )
  }
}
