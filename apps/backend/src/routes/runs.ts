import { archiveView, envelope, fileNode, runComparison, runView, toolExecutionView } from '@tutti/contracts'
import { failures } from '@tutti/openapi'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'
import { cut, oneMore } from '../http/pages.ts'
import { archiveViewOf, fileTree } from './file-views.ts'
import { folderQuery, idParams, pageQuery, toolsQuery } from './params.ts'
import { toolDelta, toolDeltaQuery, toolDeltaView } from './tool-deltas.ts'

const tags = ['runs']

const compareParams = idParams.extend({ other: z.uuid() })

/** Runs, as their user sees them. */
export const runRoutes = ({ workbench, objects, config }: RouteDeps): FastifyPluginAsyncZod => {
  const { userId } = config
  return async (app) => {
    app.get(
      '/runs/:id',
      {
        schema: {
          tags,
          operationId: 'readRun',
          summary: 'Read a run',
          params: idParams,
          response: { 200: envelope(runView), ...failures('RUN_NOT_FOUND') },
        },
      },
      async ({ params }) => ok(await workbench.run(userId, params.id)),
    )

    app.get(
      '/runs/:id/workspace/files',
      {
        schema: {
          tags,
          operationId: 'listRunFiles',
          summary: 'List the files that a run left',
          params: idParams,
          response: {
            200: envelope(fileNode.array()),
            ...failures('RUN_NOT_FOUND', 'SNAPSHOT_NOT_FOUND', 'FILES_NOT_ENABLED'),
          },
        },
      },
      async ({ params }) =>
        ok(await fileTree({ objects, config }, await workbench.files(userId, { runId: params.id }))),
    )

    app.get(
      '/runs/:id/workspace/archive',
      {
        schema: {
          tags,
          operationId: 'readRunArchive',
          summary: 'Have the files that a run left as a zip',
          params: idParams,
          response: {
            200: envelope(archiveView),
            ...failures('RUN_NOT_FOUND', 'SNAPSHOT_NOT_FOUND', 'FILES_NOT_ENABLED', 'FILE_NOT_FOUND'),
          },
        },
      },
      async ({ params }) =>
        ok(await archiveViewOf({ objects, config }, await workbench.archive(userId, { runId: params.id }, null))),
    )

    app.get(
      '/runs/:id/workspace/folder-archive',
      {
        schema: {
          tags,
          operationId: 'readRunFolderArchive',
          summary: 'Have a folder that a run left as a zip',
          params: idParams,
          querystring: folderQuery,
          response: {
            200: envelope(archiveView),
            ...failures('RUN_NOT_FOUND', 'SNAPSHOT_NOT_FOUND', 'FILES_NOT_ENABLED', 'FILE_NOT_FOUND'),
          },
        },
      },
      async ({ params, query }) =>
        ok(await archiveViewOf({ objects, config }, await workbench.archive(userId, { runId: params.id }, query.path))),
    )

    app.get(
      '/runs/:id/compare/:other',
      {
        schema: {
          tags,
          operationId: 'compareRuns',
          summary: 'Compare what two runs left',
          params: compareParams,
          response: {
            200: envelope(runComparison),
            ...failures('RUN_NOT_FOUND', 'SNAPSHOT_NOT_FOUND', 'FILES_NOT_ENABLED'),
          },
        },
      },
      async ({ params }) => ok(await workbench.compare(userId, params.id, params.other)),
    )

    app.get(
      '/runs/session/:id',
      {
        schema: {
          tags,
          operationId: 'listRuns',
          summary: 'List the runs of a session',
          params: idParams,
          querystring: pageQuery,
          response: { 200: envelope(runView.array()), ...failures('SESSION_NOT_FOUND') },
        },
      },
      async (request, reply) => {
        const { params, query } = request
        const found = await workbench.runs(userId, params.id, oneMore(query))
        return ok(cut(request, reply, found, query.limit, () => ({ offset: query.offset + query.limit })))
      },
    )

    app.get(
      '/runs/:id/tool-executions',
      {
        schema: {
          tags,
          operationId: 'listRunTools',
          summary: 'List the tools that a run called',
          params: idParams,
          querystring: toolsQuery,
          response: { 200: envelope(toolExecutionView.array()), ...failures('RUN_NOT_FOUND') },
        },
      },
      async (request, reply) => {
        const { params, query } = request
        const found = await workbench.toolExecutionsOfRun(userId, params.id, oneMore(query))
        return ok(cut(request, reply, found, query.limit, () => ({ offset: query.offset + query.limit })))
      },
    )

    app.get(
      '/runs/:id/tool-executions/delta',
      {
        schema: {
          tags,
          operationId: 'listRunToolsDelta',
          summary: 'List the calls of a run that changed, with how to go on',
          params: idParams,
          querystring: toolDeltaQuery,
          response: { 200: envelope(toolDeltaView), ...failures('RUN_NOT_FOUND') },
        },
      },
      async ({ params, query }) => {
        const of = { runId: params.id }
        return ok(await toolDelta((page) => workbench.changedToolExecutions(userId, of, page), query))
      },
    )
  }
}
