import { createSubagent, patchSubagent, subagentView } from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { about, deleted } from '../http/about.ts'
import { ok } from '../http/envelope.ts'
import { numberParams as params } from './params.ts'

const tag = 'subagents'

/** Agents that the user has written for agents to hand work to. */
export const subagentRoutes = ({ workbench: { capabilities }, config }: RouteDeps): FastifyPluginAsyncZod => {
  const { userId } = config
  return async (app) => {
    app.get('/subagents', { schema: about(tag, 'listSubagents', 'List sub-agents', z.array(subagentView)) }, async () =>
      ok(await capabilities.subagents(userId)),
    )

    app.post(
      '/subagents',
      {
        schema: {
          body: createSubagent,
          ...about(
            tag,
            'createSubagent',
            'Write a sub-agent',
            subagentView,
            'CAPABILITY_EXISTS',
            'CAPABILITY_LIMIT',
            'CAPABILITY_NOT_FOUND',
          ),
        },
      },
      async ({ body }) => ok(await capabilities.createSubagent(userId, body)),
    )

    app.get(
      '/subagents/:id',
      { schema: { params, ...about(tag, 'getSubagent', 'Show a sub-agent', subagentView, 'CAPABILITY_NOT_FOUND') } },
      async ({ params }) => ok(await capabilities.subagent(userId, params.id)),
    )

    app.patch(
      '/subagents/:id',
      {
        schema: {
          params,
          body: patchSubagent,
          ...about(
            tag,
            'patchSubagent',
            'Change a sub-agent',
            subagentView,
            'CAPABILITY_NOT_FOUND',
            'CAPABILITY_EXISTS',
          ),
        },
      },
      async ({ params, body }) => ok(await capabilities.patchSubagent(userId, params.id, body)),
    )

    app.delete(
      '/subagents/:id',
      { schema: { params, ...about(tag, 'deleteSubagent', 'Delete a sub-agent', deleted, 'CAPABILITY_NOT_FOUND') } },
      async ({ params }) => {
        await capabilities.deleteSubagent(userId, params.id)
        return ok({ id: params.id })
      },
    )
  }
}
