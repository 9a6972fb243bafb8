import { createProject, patchProject } from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'
import { cut, oneMore } from '../http/pages.ts'
import { idParams, pageQuery } from './params.ts'

/** Projects. */
export const projectRoutes = ({ workbench, config }: RouteDeps): FastifyPluginAsyncZod => {
  const { userId } = config
  return async (app) => {
    app.get('/projects', { schema: { querystring: pageQuery } }, async (request, reply) => {
      const { query } = request
      const found = await workbench.projects(userId, oneMore(query))
      return ok(cut(request, reply, found, query.limit, () => ({ offset: query.offset + query.limit })))
    })

    app.post('/projects', { schema: { body: createProject } }, async ({ body }) =>
      ok(await workbench.createProject(userId, body)),
    )

    app.get('/projects/:id', { schema: { params: idParams } }, async ({ params }) =>
      ok(await workbench.project(userId, params.id)),
    )

    app.patch('/projects/:id', { schema: { params: idParams, body: patchProject } }, async ({ params, body }) =>
      ok(await workbench.patchProject(userId, params.id, body)),
    )

    app.delete('/projects/:id', { schema: { params: idParams } }, async ({ params }) => {
      await workbench.deleteProject(userId, params.id)
      return ok({ id: params.id })
    })
  }
}
