import { addProjectFile, envelope, projectFileView } from '@tutti/contracts'
import { failures } from '@tutti/openapi'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { ok } from '../http/envelope.ts'
import { idParams } from './params.ts'

const tags = ['projects']
const fileParams = idParams.extend({ file: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER) })

/** Files that every run of a project is given, below `inputs/`. */
export const projectFileRoutes = ({ workbench, config }: RouteDeps): FastifyPluginAsyncZod => {
  const { userId } = config
  return async (app) => {
    app.get(
      '/projects/:id/files',
      {
        schema: {
          ...{ tags, operationId: 'listProjectFiles', summary: 'List the files that the runs of a project are given' },
          ...{
            params: idParams,
            response: { 200: envelope(z.array(projectFileView)), ...failures('PROJECT_NOT_FOUND') },
          },
        },
      },
      async ({ params }) => ok(await workbench.projectFiles(userId, params.id)),
    )

    app.post(
      '/projects/:id/files',
      {
        schema: {
          ...{ tags, operationId: 'addProjectFile', summary: 'Give an upload to every run of a project' },
          ...{
            params: idParams,
            body: addProjectFile,
            response: { 200: envelope(projectFileView), ...failures('PROJECT_NOT_FOUND') },
          },
        },
      },
      async ({ params, body }) => ok(await workbench.addProjectFile(userId, params.id, body)),
    )

    app.delete(
      '/projects/:id/files/:file',
      {
        schema: {
          ...{ tags, operationId: 'removeProjectFile', summary: 'Give a file to the runs of a project no longer' },
          ...{
            params: fileParams,
            response: { 200: envelope(z.object({ id: z.int() })), ...failures('PROJECT_NOT_FOUND', 'FILE_NOT_FOUND') },
          },
        },
      },
      async ({ params }) => {
        await workbench.removeProjectFile(userId, params.id, params.file)
        return ok({ id: params.file })
      },
    )
  }
}
