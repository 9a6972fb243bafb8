/** The blueprints that this instance has loaded, and their graphs. */
import {
  blueprintGraph,
  blueprintView as blueprintViewSchema,
  jsonObject,
  registeredBlueprint,
  TuttiError,
} from '@tutti/contracts'
import { graphOf, toDot } from '@tutti/engine'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { clientOf, requireOperator } from '../auth/client.ts'
import type { RouteDeps } from '../deps.ts'
import { failures } from '../errors.ts'
import { blueprintView } from '../views/blueprint-view.ts'

const tags = ['blueprints']

const versionParams = z.object({ name: z.string().max(128), version: z.coerce.number().int().min(1) })

export const blueprintRoutes = ({ engine, registered }: RouteDeps): FastifyPluginAsyncZod => {
  return async (app) => {
    app.get(
      '/blueprints',
      {
        schema: {
          tags,
          operationId: 'listBlueprints',
          summary: 'List the blueprints',
          response: { 200: blueprintViewSchema.array() },
        },
      },
      async () => engine.blueprints.list().map(blueprintView),
    )

    app.post(
      '/blueprints',
      {
        schema: {
          tags,
          operationId: 'registerBlueprint',
          summary: 'Register a blueprint written as JSON',
          description:
            'For operators. The body is a document of the format tutti/v1; all its faults are told. A name and version stand for one ' +
            'document for ever; the same again changes nothing.',
          body: jsonObject,
          response: { 201: registeredBlueprint, ...failures('INVALID_BODY', 'FORBIDDEN', 'BLUEPRINT_EXISTS') },
        },
      },
      async (request, reply) => {
        const client = clientOf(request)
        requireOperator(client)
        return reply.code(201).send(await registered.register(request.body, client.id))
      },
    )

    app.get(
      '/blueprints/:name/versions/:version',
      {
        schema: {
          tags,
          operationId: 'readBlueprint',
          summary: 'Read the document of a registered blueprint',
          params: versionParams,
          response: { 200: jsonObject, ...failures('BLUEPRINT_NOT_FOUND') },
        },
      },
      async (request) => registered.read(request.params.name, request.params.version),
    )

    app.delete(
      '/blueprints/:name/versions/:version',
      {
        schema: {
          tags,
          operationId: 'retireBlueprint',
          summary: 'Offer a registered blueprint no longer',
          description: 'For operators. Jobs that began with it go on.',
          params: versionParams,
          response: {
            204: z.undefined().describe('No longer offered'),
            ...failures('BLUEPRINT_NOT_FOUND', 'FORBIDDEN'),
          },
        },
      },
      async (request, reply) => {
        requireOperator(clientOf(request))
        await registered.retire(request.params.name, request.params.version)
        return reply.code(204).send()
      },
    )

    app.get(
      '/blueprints/:name/graph',
      {
        schema: {
          tags,
          operationId: 'readGraph',
          summary: 'Read a blueprint’s graph',
          description: 'In Graphviz’s language; as JSON with `format=json` or `Accept: application/json`.',
          params: z.object({ name: z.string() }),
          querystring: z.object({
            format: z.enum(['dot', 'json']).optional(),
            version: z.coerce.number().int().min(1).optional(),
          }),
          response: {
            200: {
              description: 'The graph',
              content: {
                'text/vnd.graphviz': { schema: z.string() },
                'application/json': { schema: blueprintGraph },
              },
            },
            ...failures('INVALID_QUERY', 'BLUEPRINT_NOT_FOUND'),
          },
        },
      },
      async (request, reply) => {
        const { format, version } = request.query
        const blueprint = engine.blueprints.get(request.params.name, version)
        if (!blueprint) throw new TuttiError('BLUEPRINT_NOT_FOUND', 'Blueprint not found')
        const graph = graphOf(blueprint)
        const wantsJson = format === 'json' || (format === undefined && acceptsJson(request.headers.accept))
        return wantsJson
          ? reply.type('application/json; charset=utf-8').send(graph)
          : reply.type('text/vnd.graphviz; charset=utf-8').send(toDot(graph))
      },
    )
  }
}

/** Only who names JSON gets it: the wild cards that every client sends by default mean the older answer. */
const acceptsJson = (accept: string | undefined): boolean => /\bapplication\/json\b/i.test(accept ?? '')
