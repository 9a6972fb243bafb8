import { createEnvVar, createSystemEnvVar, envVarView, patchEnvVar, patchSystemEnvVar } from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { about, deleted } from '../http/about.ts'
import { ok } from '../http/envelope.ts'
import { numberParams as params } from './params.ts'

const tag = 'env-vars'

/** Secrets of the user: they are set, never shown. */
export const envVarRoutes = ({ workbench, config }: RouteDeps): FastifyPluginAsyncZod => {
  const { capabilities } = workbench
  const { userId } = config
  return async (app) => {
    app.get('/env-vars', { schema: about(tag, 'listEnvVars', 'List secrets', z.array(envVarView)) }, async () =>
      ok(await capabilities.envVars(userId)),
    )

    app.post(
      '/env-vars',
      {
        schema: {
          body: createEnvVar,
          ...about(
            tag,
            'createEnvVar',
            'Set a secret',
            envVarView,
            'CAPABILITY_EXISTS',
            'CAPABILITY_LIMIT',
            'CAPABILITY_NOT_FOUND',
          ),
        },
      },
      async ({ body }) => ok(await capabilities.createEnvVar(userId, body)),
    )

    app.patch(
      '/env-vars/:id',
      {
        schema: {
          params,
          body: patchEnvVar,
          ...about(tag, 'patchEnvVar', 'Change a secret', envVarView, 'CAPABILITY_NOT_FOUND'),
        },
      },
      async ({ params, body }) => ok(await capabilities.patchEnvVar(userId, params.id, body)),
    )

    app.delete(
      '/env-vars/:id',
      { schema: { params, ...about(tag, 'deleteEnvVar', 'Delete a secret', deleted, 'CAPABILITY_NOT_FOUND') } },
      async ({ params }) => {
        await capabilities.deleteEnvVar(userId, params.id)
        return ok({ id: params.id })
      },
    )
  }
}

/** Those of the operator, with the token that managers have too. They are not shown either. */
export const operatorEnvVarRoutes = ({ workbench }: RouteDeps): FastifyPluginAsyncZod => {
  const { capabilities } = workbench
  return async (app) => {
    app.get(
      '/internal/system-env-vars',
      { schema: about(tag, 'listSystemEnvVars', 'List secrets of the system', z.array(envVarView)) },
      async () => ok(await capabilities.envVars(null)),
    )

    app.post(
      '/internal/system-env-vars',
      {
        schema: {
          body: createSystemEnvVar,
          ...about(
            tag,
            'createSystemEnvVar',
            'Set a secret of the system',
            envVarView,
            'CAPABILITY_EXISTS',
            'CAPABILITY_LIMIT',
            'CAPABILITY_NOT_FOUND',
          ),
        },
      },
      async ({ body }) => ok(await capabilities.createEnvVar(null, body)),
    )

    app.patch(
      '/internal/system-env-vars/:id',
      {
        schema: {
          params,
          body: patchSystemEnvVar,
          ...about(tag, 'patchSystemEnvVar', 'Change a secret of the system', envVarView, 'CAPABILITY_NOT_FOUND'),
        },
      },
      async ({ params, body }) => ok(await capabilities.patchEnvVar(null, params.id, body)),
    )

    app.delete(
      '/internal/system-env-vars/:id',
      {
        schema: {
          params,
          ...about(tag, 'deleteSystemEnvVar', 'Delete a secret of the system', deleted, 'CAPABILITY_NOT_FOUND'),
        },
      },
      async ({ params }) => {
        await capabilities.deleteEnvVar(null, params.id)
        return ok({ id: params.id })
      },
    )
  }
}
