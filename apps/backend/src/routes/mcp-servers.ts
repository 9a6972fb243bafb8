import { createMcpServer, mcpServerView, patchMcpServer } from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { about, deleted } from '../http/about.ts'
import { ok } from '../http/envelope.ts'
import { numberParams as params } from './params.ts'

/** MCP servers of the user; those of the operator are listed among them. */
export const mcpServerRoutes = (deps: RouteDeps): FastifyPluginAsyncZod =>
  routesOf(deps, { owner: deps.config.userId, prefix: '', called: '' })

/** Those of the operator, which everybody can use. */
export const operatorMcpServerRoutes = (deps: RouteDeps): FastifyPluginAsyncZod =>
  routesOf(deps, { owner: null, prefix: '/internal', called: 'System' })

const routesOf = (
  { workbench: { capabilities } }: RouteDeps,
  { owner, prefix, called }: { owner: string | null; prefix: string; called: string },
): FastifyPluginAsyncZod => {
  const tag = 'mcp-servers'
  const path = `${prefix}/mcp-servers`
  return async (app) => {
    app.get(
      path,
      { schema: about(tag, `list${called}McpServers`, 'List MCP servers', z.array(mcpServerView)) },
      async () => ok(await capabilities.mcpServers(owner)),
    )

    app.post(
      path,
      {
        schema: {
          body: createMcpServer,
          ...about(
            tag,
            `create${called}McpServer`,
            'Add an MCP server',
            mcpServerView,
            'CAPABILITY_EXISTS',
            'CAPABILITY_LIMIT',
            'CAPABILITY_NOT_FOUND',
          ),
        },
      },
      async ({ body }) => ok(await capabilities.createMcpServer(owner, body)),
    )

    app.get(
      `${path}/:id`,
      {
        schema: {
          params,
          ...about(tag, `get${called}McpServer`, 'Show an MCP server', mcpServerView, 'CAPABILITY_NOT_FOUND'),
        },
      },
      async ({ params }) => ok(await capabilities.mcpServer(owner, params.id)),
    )

    app.patch(
      `${path}/:id`,
      {
        schema: {
          params,
          body: patchMcpServer,
          ...about(
            tag,
            `patch${called}McpServer`,
            'Change an MCP server',
            mcpServerView,
            'CAPABILITY_NOT_FOUND',
            'CAPABILITY_EXISTS',
          ),
        },
      },
      async ({ params, body }) => ok(await capabilities.patchMcpServer(owner, params.id, body)),
    )

    app.delete(
      `${path}/:id`,
      {
        schema: {
          params,
          ...about(tag, `delete${called}McpServer`, 'Delete an MCP server', deleted, 'CAPABILITY_NOT_FOUND'),
        },
      },
      async ({ params }) => {
        await capabilities.deleteMcpServer(owner, params.id)
        return ok({ id: params.id })
      },
    )
  }
}
