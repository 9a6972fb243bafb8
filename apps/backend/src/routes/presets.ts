import { presetView, putPreset } from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { about, deleted } from '../http/about.ts'
import { ok } from '../http/envelope.ts'
import { numberParams as params } from './params.ts'

const tag = 'presets'

/** Bundles of settings with a name. */
export const presetRoutes = ({ workbench: { capabilities }, config }: RouteDeps): FastifyPluginAsyncZod => {
  const { userId } = config
  return async (app) => {
    app.get('/presets', { schema: about(tag, 'listPresets', 'List presets', z.array(presetView)) }, async () =>
      ok(await capabilities.presets(userId)),
    )

    app.post(
      '/presets',
      {
        schema: {
          body: putPreset,
          ...about(
            tag,
            'createPreset',
            'Make a preset',
            presetView,
            'CAPABILITY_EXISTS',
            'CAPABILITY_LIMIT',
            'CAPABILITY_NOT_FOUND',
          ),
        },
      },
      async ({ body }) => ok(await capabilities.createPreset(userId, body)),
    )

    app.get(
      '/presets/:id',
      { schema: { params, ...about(tag, 'getPreset', 'Show a preset', presetView, 'CAPABILITY_NOT_FOUND') } },
      async ({ params }) => ok(await capabilities.preset(userId, params.id)),
    )

    app.put(
      '/presets/:id',
      {
        schema: {
          params,
          body: putPreset,
          ...about(tag, 'putPreset', 'Replace a preset', presetView, 'CAPABILITY_NOT_FOUND', 'CAPABILITY_EXISTS'),
        },
      },
      async ({ params, body }) => ok(await capabilities.putPreset(userId, params.id, body)),
    )

    app.delete(
      '/presets/:id',
      {
        schema: {
          params,
          ...about(tag, 'deletePreset', 'Delete a preset', deleted, 'CAPABILITY_NOT_FOUND', 'CAPABILITY_IN_USE'),
        },
      },
      async ({ params }) => {
        await capabilities.deletePreset(userId, params.id)
        return ok({ id: params.id })
      },
    )
  }
}
