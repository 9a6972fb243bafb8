import { envelope, filesystemSupport } from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { ok } from '../http/envelope.ts'

/** Whether folders of a user's own machine can be given to agents: they can’t, whatever page asks. */
export const filesystemRoutes = (): FastifyPluginAsyncZod => {
  const told = ok({ deployment_mode: 'cloud' as const, local_mount_available: false })
  return async (app) => {
    app.get(
      '/filesystem/support',
      {
        schema: {
          ...{ tags: ['workspaces'], security: [], operationId: 'getFilesystemSupport' },
          summary: 'Tell whether folders of this machine can be mounted',
          response: { 200: envelope(filesystemSupport) },
        },
      },
      async () => told,
    )
  }
}
