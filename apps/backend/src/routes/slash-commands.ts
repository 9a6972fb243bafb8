import { createSlashCommand, patchSlashCommand, slashCommandView, slashSuggestion } from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { about, deleted } from '../http/about.ts'
import { ok } from '../http/envelope.ts'
import { numberParams as params } from './params.ts'

const tag = 'slash-commands'

/** Commands that the user has written for agents. */
export const slashCommandRoutes = ({ workbench: { capabilities }, config }: RouteDeps): FastifyPluginAsyncZod => {
  const { userId } = config
  return async (app) => {
    app.get(
      '/slash-commands',
      { schema: about(tag, 'listSlashCommands', 'List slash commands', z.array(slashCommandView)) },
      async () => ok(await capabilities.slashCommands(userId)),
    )

    app.get(
      '/slash-commands/suggestions',
      { schema: about(tag, 'suggestSlashCommands', 'List what may follow a slash', z.array(slashSuggestion)) },
      async () => ok(await capabilities.suggestions(userId)),
    )

    app.post(
      '/slash-commands',
      {
        schema: {
          body: createSlashCommand,
          ...about(
            tag,
            'createSlashCommand',
            'Write a slash command',
            slashCommandView,
            'CAPABILITY_EXISTS',
            'CAPABILITY_LIMIT',
            'CAPABILITY_NOT_FOUND',
          ),
        },
      },
      async ({ body }) => ok(await capabilities.createSlashCommand(userId, body)),
    )

    app.get(
      '/slash-commands/:id',
      {
        schema: {
          params,
          ...about(tag, 'getSlashCommand', 'Show a slash command', slashCommandView, 'CAPABILITY_NOT_FOUND'),
        },
      },
      async ({ params }) => ok(await capabilities.slashCommand(userId, params.id)),
    )

    app.patch(
      '/slash-commands/:id',
      {
        schema: {
          params,
          body: patchSlashCommand,
          ...about(
            tag,
            'patchSlashCommand',
            'Change a slash command',
            slashCommandView,
            'CAPABILITY_NOT_FOUND',
            'CAPABILITY_EXISTS',
          ),
        },
      },
      async ({ params, body }) => ok(await capabilities.patchSlashCommand(userId, params.id, body)),
    )

    app.delete(
      '/slash-commands/:id',
      {
        schema: {
          params,
          ...about(tag, 'deleteSlashCommand', 'Delete a slash command', deleted, 'CAPABILITY_NOT_FOUND'),
        },
      },
      async ({ params }) => {
        await capabilities.deleteSlashCommand(userId, params.id)
        return ok({ id: params.id })
      },
    )
  }
}
