import { createProject, envelope, patchProject, projectView } from '@tutti/contracts'
import { failures } from '@tutti/openapi'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'
import { cut, oneMore } from '../http/pages.ts'
import { idParams, pageQuery } from './params.ts'

const tags = ['projects']

/** Projects. */
export const projectRoutes = ({ workbench, config }: RouteDeps): FastifyPluginAsyncZod => {
  const { userId } = config
  return async (app) => {
    app.get(
      '/projects',
      {
        schema: {
          tags,
          operationId: 'listProjects',
          summary: 'List your projects',
          querystring: pageQuery,
          response: { 200: envelope(projectView.array()) },
        },
      },
      async (request, reply) => {
        const { query } = request
        const found = await workbench.projects(userId, oneMore(query))
        return ok(cut(request, reply, found, query.limit, () => ({ offset: query.offset + query.limit })))
      },
    )

    app.post(
      '/projects',
      {
        schema: {
          tags,
          operationId: 'createProject',
          summary: 'Make a project',
          body: createProject,
          response: { 200: envelope(projectView), ...failures('CAPABILITY_NOT_FOUND') },
        },
      },
      async ({ body }) => ok(await workbench.createProject(userId, body)),
    )

    app.get(
      '/projects/:id',
      {
        schema: {
          tags,
          operationId: 'readProject',
          summary: 'Read a project',
          params: idParams,
          response: { 200: envelope(projectView), ...failures('PROJECT_NOT_FOUND') },
        },
      },
      async ({ params }) => ok(await workbench.project(userId, params.id)),
    )

    app.patch(
      '/projects/:id',
      {
        schema: {
          tags,
          operationId: 'patchProject',
          summary: 'Change a project',
          params: idParams,
          body: patchProject,
          response: { 200: envelope(projectView), ...failures('PROJECT_NOT_FOUND', 'CAPABILITY_NOT_FOUND') },
        },
      },
      async ({ params, body }) => ok(await workbench.patchProject(userId, params.id, body)),
    )

    app.delete(
      '/projects/:id',
      {
        schema: {
          tags,
          operationId: 'deleteProject',
          summary: 'Remove a project; its sessions stay',
          params: idParams,
          response: { 200: envelope(z.object({ id: z.uuid() })), ...failures('PROJECT_NOT_FOUND') },
        },
      },
      async ({ params }) => {
        await workbench.deleteProject(userId, params.id)
        return ok({ id: params.id })
      },
    )
  }
}
