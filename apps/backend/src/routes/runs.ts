import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'
import { cut, oneMore } from '../http/pages.ts'
import { archiveViewOf, fileTree } from './file-views.ts'
import { folderQuery, idParams, pageQuery, toolsQuery } from './params.ts'
import { toolDelta, toolDeltaQuery } from './tool-deltas.ts'

const compareParams = idParams.extend({ other: z.uuid() })

/** Runs, as their user sees them. */
export const runRoutes = ({ workbench, objects, config }: RouteDeps): FastifyPluginAsyncZod => {
  const { userId } = config
  return async (app) => {
    app.get('/runs/:id', { schema: { params: idParams } }, async ({ params }) =>
      ok(await workbench.run(userId, params.id)),
    )

    app.get('/runs/:id/workspace/files', { schema: { params: idParams } }, async ({ params }) =>
      ok(await fileTree({ objects, config }, await workbench.files(userId, { runId: params.id }))),
    )

    app.get('/runs/:id/workspace/archive', { schema: { params: idParams } }, async ({ params }) =>
      ok(await archiveViewOf({ objects, config }, await workbench.archive(userId, { runId: params.id }, null))),
    )

    app.get(
      '/runs/:id/workspace/folder-archive',
      { schema: { params: idParams, querystring: folderQuery } },
      async ({ params, query }) =>
        ok(await archiveViewOf({ objects, config }, await workbench.archive(userId, { runId: params.id }, query.path))),
    )

    app.get('/runs/:id/compare/:other', { schema: { params: compareParams } }, async ({ params }) =>
      ok(await workbench.compare(userId, params.id, params.other)),
    )

    app.get('/runs/session/:id', { schema: { params: idParams, querystring: pageQuery } }, async (request, reply) => {
      const { params, query } = request
      const found = await workbench.runs(userId, params.id, oneMore(query))
      return ok(cut(request, reply, found, query.limit, () => ({ offset: query.offset + query.limit })))
    })

    app.get(
      '/runs/:id/tool-executions',
      { schema: { params: idParams, querystring: toolsQuery } },
      async (request, reply) => {
        const { params, query } = request
        const found = await workbench.toolExecutionsOfRun(userId, params.id, oneMore(query))
        return ok(cut(request, reply, found, query.limit, () => ({ offset: query.offset + query.limit })))
      },
    )

    app.get(
      '/runs/:id/tool-executions/delta',
      { schema: { params: idParams, querystring: toolDeltaQuery } },
      async ({ params, query }) => {
        const of = { runId: params.id }
        return ok(await toolDelta((page) => workbench.changedToolExecutions(userId, of, page), query))
      },
    )
  }
}
