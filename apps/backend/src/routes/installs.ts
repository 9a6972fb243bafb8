import {
  createMcpInstall,
  createPluginInstall,
  createSkillInstall,
  installsPatched,
  mcpInstallView,
  patchInstall,
  patchInstalls,
  pluginInstallView,
  skillInstallView,
} from '@tutti/contracts'
import type { Install, InstallKind } from '@tutti/workbench'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { about, deleted } from '../http/about.ts'
import { ok } from '../http/envelope.ts'
import { numberParams as params } from './params.ts'

/** What the user has at hand of skills, MCP servers and plugins. */
export const installRoutes =
  (deps: RouteDeps): FastifyPluginAsyncZod =>
  async (app) => {
    const { capabilities } = deps.workbench
    const { userId } = deps.config
    app.post(
      '/skill-installs',
      {
        schema: {
          body: createSkillInstall,
          ...about(
            'skills',
            'createSkillInstall',
            'Install a skill',
            skillInstallView,
            'CAPABILITY_EXISTS',
            'CAPABILITY_LIMIT',
            'CAPABILITY_NOT_FOUND',
          ),
        },
      },
      async ({ body: { skill_id, enabled } }) =>
        ok(kinds.skill.wire(await capabilities.createInstall('skill', userId, { item_id: skill_id, enabled }))),
    )
    app.post(
      '/mcp-installs',
      {
        schema: {
          body: createMcpInstall,
          ...about(
            'mcp-servers',
            'createMcpInstall',
            'Install an MCP server',
            mcpInstallView,
            'CAPABILITY_EXISTS',
            'CAPABILITY_LIMIT',
            'CAPABILITY_NOT_FOUND',
          ),
        },
      },
      async ({ body: { server_id, enabled } }) =>
        ok(kinds.mcp.wire(await capabilities.createInstall('mcp', userId, { item_id: server_id, enabled }))),
    )
    app.post(
      '/plugin-installs',
      {
        schema: {
          body: createPluginInstall,
          ...about(
            'plugins',
            'createPluginInstall',
            'Install a plugin',
            pluginInstallView,
            'CAPABILITY_EXISTS',
            'CAPABILITY_LIMIT',
            'CAPABILITY_NOT_FOUND',
          ),
        },
      },
      async ({ body: { plugin_id, enabled } }) =>
        ok(kinds.plugin.wire(await capabilities.createInstall('plugin', userId, { item_id: plugin_id, enabled }))),
    )
    for (const kind of ['skill', 'mcp', 'plugin'] as const) await app.register(routesOf(deps, kind))
  }

/** Each kind calls the item by a name of its own. */
const kinds = {
  skill: {
    ...{ tag: 'skills', name: 'Skill', view: skillInstallView },
    wire: ({ item_id, ...install }: Install) => ({ ...install, skill_id: item_id }),
  },
  mcp: {
    ...{ tag: 'mcp-servers', name: 'Mcp', view: mcpInstallView },
    wire: ({ item_id, ...install }: Install) => ({ ...install, server_id: item_id }),
  },
  plugin: {
    ...{ tag: 'plugins', name: 'Plugin', view: pluginInstallView },
    wire: ({ item_id, ...install }: Install) => ({ ...install, plugin_id: item_id }),
  },
}

const routesOf = ({ workbench: { capabilities }, config }: RouteDeps, kind: InstallKind): FastifyPluginAsyncZod => {
  const { userId } = config
  const { tag, name } = kinds[kind]
  const wire: (install: Install) => unknown = kinds[kind].wire
  const view: z.ZodType = kinds[kind].view
  const path = `/${kind}-installs`
  return async (app) => {
    app.get(path, { schema: about(tag, `list${name}Installs`, 'List installs', z.array(view)) }, async () =>
      ok((await capabilities.installs(kind, userId)).map(wire)),
    )

    app.patch(
      `${path}/bulk`,
      {
        schema: {
          body: patchInstalls,
          ...about(tag, `patch${name}Installs`, 'Switch many on or off', installsPatched),
        },
      },
      async ({ body }) => ok({ updated_count: await capabilities.patchInstalls(kind, userId, body) }),
    )

    app.patch(
      `${path}/:id`,
      {
        schema: {
          params,
          body: patchInstall,
          ...about(tag, `patch${name}Install`, 'Switch one on or off', view, 'CAPABILITY_NOT_FOUND'),
        },
      },
      async ({ params, body }) => ok(wire(await capabilities.patchInstall(kind, userId, params.id, body.enabled))),
    )

    app.delete(
      `${path}/:id`,
      {
        schema: { params, ...about(tag, `delete${name}Install`, 'Delete an install', deleted, 'CAPABILITY_NOT_FOUND') },
      },
      async ({ params }) => {
        await capabilities.deleteInstall(kind, userId, params.id)
        return ok({ id: params.id })
      },
    )
  }
}
