import {
  archiveView,
  cancelSession,
  createSession,
  envelope,
  fileNode,
  interruptSession,
  origin,
  patchSession,
  rewindSession,
  sessionCanceled,
  sessionFrame,
  sessionInterrupted,
  sessionRewound,
  sessionStateView,
  sessionUsage,
  sessionView,
  steerAnswer,
  steerSession,
  toolExecutionView,
} from '@tutti/contracts'
import { failures } from '@tutti/openapi'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'
import { cut, oneMore } from '../http/pages.ts'
import { archiveViewOf, fileTree } from './file-views.ts'
import { folderQuery, idParams, limit, pageQuery, toolsQuery } from './params.ts'
import { toolDelta, toolDeltaQuery, toolDeltaView } from './tool-deltas.ts'

const tags = ['sessions']

const sessionsQuery = pageQuery.extend({
  job_id: z.uuid().optional(),
  project_id: z.union([z.uuid(), z.literal('')]).optional(),
  kind: z.enum(['chat', 'scheduled', 'all', '']).default('chat'),
  origin: origin.optional(),
})
const logQuery = z.object({ since: z.coerce.number().int().min(0).default(0), limit: limit.default(1000) })
const logPage = z.object({ items: z.array(sessionFrame), next_since: z.int(), has_more: z.boolean() })

/** Sessions and what belongs to them. */
export const sessionRoutes = ({ workbench, objects, config }: RouteDeps): FastifyPluginAsyncZod => {
  const { userId } = config
  return async (app) => {
    app.get(
      '/sessions',
      {
        schema: {
          tags,
          operationId: 'listSessions',
          summary: 'List your sessions',
          querystring: sessionsQuery,
          response: { 200: envelope(sessionView.array()) },
        },
      },
      async (request, reply) => {
        const { job_id, project_id, kind, origin: begunAt, ...page } = request.query
        const found = await workbench.sessions(userId, {
          ...oneMore(page),
          jobId: job_id,
          projectId: project_id || undefined,
          kind: kind === 'all' || kind === '' ? undefined : kind,
          origin: begunAt,
        })
        return ok(cut(request, reply, found, page.limit, () => ({ offset: page.offset + page.limit })))
      },
    )

    app.post(
      '/sessions',
      {
        schema: {
          tags,
          operationId: 'createSession',
          summary: 'Make a session in which nothing was said yet',
          body: createSession,
          response: { 200: envelope(sessionView), ...failures('PROJECT_NOT_FOUND', 'CAPABILITY_NOT_FOUND') },
        },
      },
      async ({ body }) => ok(await workbench.createSession(userId, body)),
    )

    app.get(
      '/sessions/:id',
      {
        schema: {
          tags,
          operationId: 'readSession',
          summary: 'Read a session',
          params: idParams,
          response: { 200: envelope(sessionView), ...failures('SESSION_NOT_FOUND') },
        },
      },
      async ({ params }) => ok(await workbench.session(userId, params.id)),
    )

    app.get(
      '/sessions/:id/state',
      {
        schema: {
          tags,
          operationId: 'readSessionState',
          summary: 'Read what changes often in a session',
          params: idParams,
          response: { 200: envelope(sessionStateView), ...failures('SESSION_NOT_FOUND') },
        },
      },
      async ({ params }) => ok(sessionStateView.parse(await workbench.session(userId, params.id))),
    )

    app.patch(
      '/sessions/:id',
      {
        schema: {
          tags,
          operationId: 'patchSession',
          summary: 'Change a session',
          params: idParams,
          body: patchSession,
          response: { 200: envelope(sessionView), ...failures('SESSION_NOT_FOUND', 'PROJECT_NOT_FOUND') },
        },
      },
      async ({ params, body }) => ok(await workbench.patchSession(userId, params.id, body)),
    )

    app.delete(
      '/sessions/:id',
      {
        schema: {
          tags,
          operationId: 'deleteSession',
          summary: 'Remove a session',
          params: idParams,
          response: { 200: envelope(z.object({ id: z.uuid() })), ...failures('SESSION_NOT_FOUND') },
        },
      },
      async ({ params }) => {
        await workbench.deleteSession(userId, params.id)
        return ok({ id: params.id })
      },
    )

    app.post(
      '/sessions/:id/cancel',
      {
        schema: {
          tags,
          operationId: 'cancelSession',
          summary: 'Cancel what a session does and what waits in it',
          params: idParams,
          body: cancelSession.default({}),
          response: { 200: envelope(sessionCanceled), ...failures('SESSION_NOT_FOUND', 'RUN_NOT_CURRENT') },
        },
      },
      async ({ params, body }) => ok(await workbench.cancelSession(userId, params.id, body)),
    )

    app.post(
      '/sessions/:id/messages/steer',
      {
        schema: {
          tags,
          operationId: 'steerSession',
          summary: 'Say something to the agent while it works',
          params: idParams,
          body: steerSession,
          response: {
            200: envelope(steerAnswer),
            ...failures('BUDGET_EXCEEDED', 'SESSION_NOT_FOUND', 'SESSION_CANCELING', 'QUEUE_FULL', 'TOO_MANY_COMMANDS'),
          },
        },
      },
      async ({ params, body }) => ok(await workbench.steer(userId, params.id, body)),
    )

    app.post(
      '/sessions/:id/interrupt',
      {
        schema: {
          tags,
          operationId: 'interruptSession',
          summary: 'End the turn at work; what it did stays',
          params: idParams,
          body: interruptSession.default({}),
          response: {
            200: envelope(sessionInterrupted),
            ...failures('SESSION_NOT_FOUND', 'RUN_NOT_CURRENT', 'TOO_MANY_COMMANDS'),
          },
        },
      },
      async ({ params, body }) => ok(await workbench.interrupt(userId, params.id, body)),
    )

    app.get(
      '/sessions/:id/tool-executions',
      {
        schema: {
          tags,
          operationId: 'listTools',
          summary: 'List the tools that agents called in a session',
          params: idParams,
          querystring: toolsQuery,
          response: { 200: envelope(toolExecutionView.array()), ...failures('SESSION_NOT_FOUND') },
        },
      },
      async (request, reply) => {
        const { params, query } = request
        const found = await workbench.toolExecutions(userId, params.id, oneMore(query))
        return ok(cut(request, reply, found, query.limit, () => ({ offset: query.offset + query.limit })))
      },
    )

    app.get(
      '/sessions/:id/tool-executions/delta',
      {
        schema: {
          tags,
          operationId: 'listToolsDelta',
          summary: 'List the calls of a session that changed, with how to go on',
          params: idParams,
          querystring: toolDeltaQuery,
          response: { 200: envelope(toolDeltaView), ...failures('SESSION_NOT_FOUND') },
        },
      },
      async ({ params, query }) => {
        const of = { sessionId: params.id }
        return ok(await toolDelta((page) => workbench.changedToolExecutions(userId, of, page), query))
      },
    )

    app.get(
      '/tool-executions/:id',
      {
        schema: {
          tags,
          operationId: 'readTool',
          summary: 'Read a call of a tool',
          params: idParams,
          response: { 200: envelope(toolExecutionView), ...failures('NOT_FOUND') },
        },
      },
      async ({ params }) => ok(await workbench.toolExecution(userId, params.id)),
    )

    app.get(
      '/sessions/:id/usage',
      {
        schema: {
          tags,
          operationId: 'readSessionUsage',
          summary: 'Read what the turns of a session have used',
          params: idParams,
          response: { 200: envelope(sessionUsage), ...failures('SESSION_NOT_FOUND') },
        },
      },
      async ({ params }) => ok(await workbench.usage(userId, params.id)),
    )

    app.get(
      '/sessions/:id/workspace/files',
      {
        schema: {
          tags,
          operationId: 'listFiles',
          summary: 'List the files of a session',
          params: idParams,
          response: { 200: envelope(fileNode.array()), ...failures('SESSION_NOT_FOUND') },
        },
      },
      async ({ params }) => {
        return ok(await fileTree({ objects, config }, await workbench.files(userId, { sessionId: params.id })))
      },
    )

    app.get(
      '/sessions/:id/workspace/archive',
      {
        schema: {
          tags,
          operationId: 'readArchive',
          summary: 'Have the files of a session as a zip',
          params: idParams,
          response: {
            200: envelope(archiveView),
            ...failures('SESSION_NOT_FOUND', 'SNAPSHOT_NOT_FOUND', 'FILES_NOT_ENABLED', 'FILE_NOT_FOUND'),
          },
        },
      },
      async ({ params }) =>
        ok(await archiveViewOf({ objects, config }, await workbench.archive(userId, { sessionId: params.id }, null))),
    )

    app.get(
      '/sessions/:id/workspace/folder-archive',
      {
        schema: {
          tags,
          operationId: 'readFolderArchive',
          summary: 'Have a folder of a session as a zip',
          params: idParams,
          querystring: folderQuery,
          response: {
            200: envelope(archiveView),
            ...failures('SESSION_NOT_FOUND', 'SNAPSHOT_NOT_FOUND', 'FILES_NOT_ENABLED', 'FILE_NOT_FOUND'),
          },
        },
      },
      async ({ params, query }) =>
        ok(
          await archiveViewOf(
            { objects, config },
            await workbench.archive(userId, { sessionId: params.id }, query.path),
          ),
        ),
    )

    app.post(
      '/sessions/:id/rewind',
      {
        schema: {
          tags,
          operationId: 'rewindSession',
          summary: 'Go on with the files as a run left them',
          params: idParams,
          body: rewindSession,
          response: {
            200: envelope(sessionRewound),
            ...failures(
              'SESSION_NOT_FOUND',
              'SNAPSHOT_NOT_FOUND',
              'FILES_NOT_ENABLED',
              'RUN_NOT_FOUND',
              'SESSION_BUSY',
            ),
          },
        },
      },
      async ({ params, body }) => ok(await workbench.rewind(userId, params.id, body)),
    )

    app.get(
      '/sessions/:id/events',
      {
        schema: {
          tags,
          operationId: 'listEvents',
          summary: 'Read a session’s log',
          params: idParams,
          querystring: logQuery,
          response: { 200: envelope(logPage), ...failures('SESSION_NOT_FOUND') },
        },
      },
      async ({ params, query }) => {
        const found = await workbench.log(userId, params.id, { since: query.since, limit: query.limit + 1 })
        const items = found.slice(0, query.limit)
        return ok({ items, next_since: items.at(-1)?.seq ?? query.since, has_more: found.length > items.length })
      },
    )
  }
}
