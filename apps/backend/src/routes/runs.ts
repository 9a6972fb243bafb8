import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'
import { archiveView, fileViews } from './file-views.ts'
import { folderQuery, idParams, pageQuery } from './params.ts'

/** Runs, as their user sees them. */
const compareParams = idParams.extend({ other: z.uuid() })

export const runRoutes = ({ workbench, objects, config }: RouteDeps): FastifyPluginAsyncZod => {
  return async (app) => {
    app.get('/runs/:id', { schema: { params: idParams } }, async ({ params }) =>
      ok(await workbench.run(config.userId, params.id)),
    )

    app.get('/runs/:id/workspace/files', { schema: { params: idParams } }, async ({ params }) =>
      ok(await fileViews({ objects, config }, await workbench.runFiles(config.userId, params.id))),
    )

    app.get('/runs/:id/workspace/archive', { schema: { params: idParams } }, async ({ params }) =>
      ok(await archiveView({ objects, config }, await workbench.archive(config.userId, { runId: params.id }, null))),
    )

    app.get(
      '/runs/:id/workspace/folder-archive',
      { schema: { params: idParams, querystring: folderQuery } },
      async ({ params, query }) =>
        ok(
          await archiveView(
            { objects, config },
            await workbench.archive(config.userId, { runId: params.id }, query.path),
          ),
        ),
    )

    app.get('/runs/:id/compare/:other', { schema: { params: compareParams } }, async ({ params }) =>
      ok(await workbench.compare(config.userId, params.id, params.other)),
    )

    app.get('/runs/session/:id', { schema: { params: idParams, querystring: pageQuery } }, async ({ params, query }) =>
      ok(await workbench.runs(config.userId, params.id, query)),
    )
  }
}
