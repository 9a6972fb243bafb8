/** The addresses that blueprints choose for themselves: POST one creates a job of the blueprint. */
import { createAtEndpoint, type JsonObject, jobAccepted } from '@tutti/contracts'
import { BlueprintError, type LoadedBlueprint } from '@tutti/engine'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { failures } from '../errors.ts'
import { tellQuota } from '../http/quota.ts'
import { validatorCompiler } from '../http/validation.ts'
import { createSpecs } from './create-spec.ts'
import { movePath } from './jobs.ts'

export const endpointRoutes = (deps: RouteDeps): FastifyPluginAsyncZod => {
  const { engine } = deps
  const create = async (name: string, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const { initial_data, ...options } = request.body as z.output<typeof createAtEndpoint>
    const wanted = { blueprint: name, input: initial_data, options, path: 'body' }
    const place = request.getDecorator<boolean>(olderForm) ? 'body' : 'body.initial_data'
    const [job] = await engine.create(createSpecs(deps, request, [wanted])).catch((error: unknown) => {
      throw movePath(error, 'body.input', place)
    })
    await tellQuota(deps, request, reply)
    return reply.code(202).send({ status: 'accepted', job_id: job?.id ?? '' })
  }
  /** Whose the address is now: blueprints come and go while the server runs. */
  const ownerOf = (url: string): LoadedBlueprint | undefined =>
    engine.blueprints.list().find((blueprint) => blueprint.endpoint !== null && endpointPath(blueprint) === url)

  return async (app) => {
    for (const blueprint of engine.blueprints.list()) {
      if (blueprint.endpoint === null) continue
      const url = endpointPath(blueprint)
      if (app.hasRoute({ method: 'POST', url: `${app.prefix}${url}` }))
        throw new BlueprintError(`blueprint "${blueprint.name}": the endpoint ${url} is taken by the API itself`)

      app.post(
        url,
        {
          schema: {
            tags: ['blueprints'],
            operationId: `createAt${url.replaceAll(/[^A-Za-z0-9]+/g, '_')}`,
            summary: `Create a job of the blueprint ${blueprint.name}`,
            body: documentedBody(blueprint),
            response: {
              202: jobAccepted,
              ...failures('INVALID_BODY', 'PAYLOAD_TOO_LARGE', 'IDEMPOTENCY_CONFLICT', 'QUOTA_EXCEEDED'),
            },
          },
          // The blueprint's own schema is only shown here: the engine checks the input, as it does for every other way in.
          validatorCompiler: (route) => validatorCompiler({ ...route, schema: createAtEndpoint }),
          preValidation: readBothForms,
        },
        async (request, reply) => {
          const owner = ownerOf(url)
          return owner ? create(owner.name, request, reply) : reply.callNotFound()
        },
      )
    }

    // Routes can't be added to a server that listens: this one serves the blueprints that came later.
    app.post(
      '/*',
      {
        schema: { hide: true, params: z.object({ '*': z.string() }), body: createAtEndpoint },
        preValidation: readBothForms,
      },
      async (request, reply) => {
        const owner = ownerOf(`/${request.params['*'].replace(/\/+$/, '')}`)
        return owner ? create(owner.name, request, reply) : reply.callNotFound()
      },
    )
  }
}

const readBothForms = async (request: FastifyRequest): Promise<void> => {
  request.setDecorator(olderForm, isOlderForm(request.body))
  if (isOlderForm(request.body)) request.body = { initial_data: request.body }
}

/** Names the decoration that remembers in which form the input came, so that faults are named where they are. */
export const olderForm = 'tuttiOlderForm'

/** Older clients send the input bare: a body without any of the two fields, and not empty, is the input itself. */
const isOlderForm = (body: FastifyRequest['body']): body is JsonObject =>
  typeof body === 'object' &&
  body !== null &&
  !Array.isArray(body) &&
  !('initial_data' in body) &&
  !('webhook_url' in body) &&
  Object.keys(body).length > 0

const endpointPath = ({ endpoint }: LoadedBlueprint): string => `/${(endpoint ?? '').replace(/^\/+|\/+$/g, '')}`

const documentedBody = ({ input }: LoadedBlueprint): z.ZodType => {
  if (!input?.jsonSchema) return createAtEndpoint
  try {
    return createAtEndpoint.extend({ initial_data: z.fromJSONSchema(input.jsonSchema) as z.ZodType<JsonObject> })
  } catch {
    // A schema that says more than the document can show.
    return createAtEndpoint
  }
}
