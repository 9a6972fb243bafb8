/** The addresses that blueprints choose for themselves: POST one creates a job of the blueprint. */
import { createAtEndpoint, type JsonObject, jobAccepted } from '@tutti/contracts'
import { BlueprintError, type LoadedBlueprint } from '@tutti/engine'
import type { FastifyRequest } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { z } from 'zod'
import type { RouteDeps } from '../deps.ts'
import { failures } from '../errors.ts'
import { tellQuota } from '../http/quota.ts'
import { validatorCompiler } from '../http/validation.ts'
import { inputSchema } from '../views/blueprint-view.ts'
import { createSpecs } from './create-spec.ts'
import { movePath } from './jobs.ts'

export const endpointRoutes = (deps: RouteDeps): FastifyPluginAsyncZod => {
  const { engine } = deps
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
            summary: `Create a job of the blueprint ${blueprint.name}`,
            body: documentedBody(blueprint),
            response: {
              202: jobAccepted,
              ...failures('INVALID_BODY', 'PAYLOAD_TOO_LARGE', 'IDEMPOTENCY_CONFLICT', 'QUOTA_EXCEEDED'),
            },
          },
          // The blueprint's own schema is only shown here: the engine checks the input, as it does for every other way in.
          validatorCompiler: (route) => validatorCompiler({ ...route, schema: createAtEndpoint }),
          preValidation: async (request) => {
            request.setDecorator(olderForm, isOlderForm(request.body))
            if (isOlderForm(request.body)) request.body = { initial_data: request.body }
          },
        },
        async (request, reply) => {
          const { initial_data, ...options } = request.body as z.output<typeof createAtEndpoint>
          const wanted = { blueprint: blueprint.name, input: initial_data, options, path: 'body' }
          const place = request.getDecorator<boolean>(olderForm) ? 'body' : 'body.initial_data'
          const [job] = await engine.create(createSpecs(deps, request, [wanted])).catch((error: unknown) => {
            throw movePath(error, 'body.input', place)
          })
          await tellQuota(deps, request, reply)
          return reply.code(202).send({ status: 'accepted', job_id: job?.id ?? '' })
        },
      )
    }
  }
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

/** @throws BlueprintError: `:` and `*` would mean something else to the router than to the author */
const endpointPath = ({ name, endpoint }: LoadedBlueprint): string => {
  const path = `/${(endpoint ?? '').replace(/^\/+|\/+$/g, '')}`
  if (/^(\/[A-Za-z0-9_.~-]+)+$/.test(path)) return path
  throw new BlueprintError(
    `blueprint "${name}": the endpoint ${endpoint} may hold only letters, digits, _ . ~ - between its slashes`,
  )
}

const documentedBody = (blueprint: LoadedBlueprint): z.ZodType =>
  blueprint.input === null || inputSchema(blueprint) === null
    ? createAtEndpoint
    : createAtEndpoint.extend({ initial_data: blueprint.input as z.ZodType<JsonObject> })
