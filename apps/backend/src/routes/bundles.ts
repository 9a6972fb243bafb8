import { bundleFile, createBundle, patchBundle, pluginView, skillView } from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { about, deleted } from '../http/about.ts'
import { ok } from '../http/envelope.ts'
import { numberParams as params } from './params.ts'

/** Skills and plugins of the user; those of the operator are listed among them. */
export const bundleRoutes = (deps: RouteDeps): FastifyPluginAsyncZod =>
  both(deps, { owner: deps.config.userId, prefix: '', called: '' })

/** Those of the operator, which everybody can use. */
export const operatorBundleRoutes = (deps: RouteDeps): FastifyPluginAsyncZod =>
  both(deps, { owner: null, prefix: '/internal', called: 'System' })

interface Scope {
  owner: string | null
  prefix: string
  called: string
}

const both =
  (deps: RouteDeps, scope: Scope): FastifyPluginAsyncZod =>
  async (app) => {
    await app.register(routesOf(deps, 'skill', skillView, scope))
    await app.register(routesOf(deps, 'plugin', pluginView, scope))
  }

const routesOf = (
  { workbench: { capabilities }, config }: RouteDeps,
  kind: 'skill' | 'plugin',
  view: typeof skillView | typeof pluginView,
  { owner, prefix, called }: Scope,
): FastifyPluginAsyncZod => {
  const tag = `${kind}s`
  const path = `${prefix}/${kind}s`
  const name = `${called}${kind === 'skill' ? 'Skill' : 'Plugin'}`
  // They bring their files along.
  const bodyLimit = config.taskBodyBytes
  return async (app) => {
    app.get(path, { schema: about(tag, `list${name}s`, `List ${kind}s`, z.array(view)) }, async () =>
      ok(await capabilities.bundles(kind, owner)),
    )

    app.post(
      path,
      {
        bodyLimit,
        schema: {
          body: createBundle,
          ...about(
            tag,
            `create${name}`,
            `Add a ${kind}`,
            view,
            'CAPABILITY_EXISTS',
            'CAPABILITY_LIMIT',
            'CAPABILITY_NOT_FOUND',
            'FILE_NOT_FOUND',
          ),
        },
      },
      async ({ body }) => ok(await capabilities.createBundle(kind, owner, body)),
    )

    app.get(
      `${path}/:id`,
      { schema: { params, ...about(tag, `get${name}`, `Show a ${kind}`, view, 'CAPABILITY_NOT_FOUND') } },
      async ({ params }) => ok(await capabilities.bundle(kind, owner, params.id)),
    )

    app.get(
      `${path}/:id/files`,
      {
        schema: {
          params,
          ...about(tag, `list${name}Files`, `List the files of a ${kind}`, z.array(bundleFile), 'CAPABILITY_NOT_FOUND'),
        },
      },
      async ({ params }) => ok(await capabilities.bundleFiles(kind, owner, params.id)),
    )

    app.patch(
      `${path}/:id`,
      {
        bodyLimit,
        schema: {
          params,
          body: patchBundle,
          ...about(
            tag,
            `patch${name}`,
            `Change a ${kind}`,
            view,
            'CAPABILITY_NOT_FOUND',
            'CAPABILITY_EXISTS',
            'FILE_NOT_FOUND',
          ),
        },
      },
      async ({ params, body }) => ok(await capabilities.patchBundle(kind, owner, params.id, body)),
    )

    app.delete(
      `${path}/:id`,
      { schema: { params, ...about(tag, `delete${name}`, `Delete a ${kind}`, deleted, 'CAPABILITY_NOT_FOUND') } },
      async ({ params }) => {
        await capabilities.deleteBundle(kind, owner, params.id)
        return ok({ id: params.id })
      },
    )
  }
}
