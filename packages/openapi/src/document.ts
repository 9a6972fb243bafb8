/**
 * The OpenAPI document of a server, made of the very schemas that check its requests. Every server of ours has one; what
 * differs between them is given, and what a scope of routes has in common is said once.
 */
import swagger from '@fastify/swagger'
import type { ErrorCode } from '@tutti/contracts'
import type { FastifyInstance, RouteOptions } from 'fastify'
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { withFailures } from './failures.ts'
import { tidyDocument } from './tidy.ts'

export interface DocumentOptions {
  title: string
  description: string
  tags: { name: string; description: string }[]
  securitySchemes: Record<string, { type: 'apiKey'; in: 'header'; name: string } | { type: 'http'; scheme: 'bearer' }>
  /** The messages that get a name in the document. A recursive one needs it: it could not be written down otherwise. */
  schemas: Record<string, z.ZodType>
}

const decoration = 'tuttiRoutes'

/** To be called before any route is registered: what came earlier is not in the document. */
export const documentRoutes = (
  app: FastifyInstance,
  { title, description, tags, securitySchemes, schemas }: DocumentOptions,
): void => {
  const schemaRegistry = z.registry<{ id: string }>()
  for (const [id, schema] of Object.entries(schemas)) schemaRegistry.add(schema, { id })
  const withSchemas = createJsonSchemaTransformObject({ schemaRegistry })
  const routes: RouteOptions[] = []
  app.decorate(decoration, routes)
  app.addHook('onRoute', (route) => {
    routes.push(route)
  })
  app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title, version: '1', description },
      tags,
      components: { securitySchemes },
    },
    transform: withDescriptions(createJsonSchemaTransform({ schemaRegistry })),
    transformObject: (document) => tidyDocument(withSchemas(document)),
  })
}

/** Every route of the server, in the document or not. */
export const registeredRoutes = (app: FastifyInstance): readonly RouteOptions[] => app.getDecorator(decoration)

type Common =
  | { hide: true }
  | {
      /** Absent: every route says its own. */
      security?: { [scheme: string]: string[] }[]
      /** What any route of the scope may be refused with. Only where errors stand in the envelope. */
      failures?: readonly ErrorCode[]
      /** Answers that any route of the scope may give. */
      response?: Record<number, z.ZodType>
    }

/** Sets what all routes of a scope have in common in the document; what a route says itself goes before. */
export const inDocument = (app: FastifyInstance, common: Common): void => {
  app.addHook('onRoute', (route) => {
    if ('hide' in common) {
      route.schema = { ...route.schema, hide: true }
      return
    }
    const { security, failures, response } = common
    const schema = { ...(security === undefined ? {} : { security }), ...route.schema }
    // The server's own plugin hides every WebSocket, because few are described.
    if ('websocket' in route && schema.operationId !== undefined) schema.hide = false
    if (failures !== undefined) schema.response = withFailures(route, failures)
    if (response !== undefined) schema.response = { ...response, ...(schema.response as object | undefined) }
    route.schema = schema
  })
}

type Transform = ReturnType<typeof createJsonSchemaTransform>

/** What a schema of an answer was described with is kept elsewhere than where names are, and would be lost. */
const withDescriptions =
  (transform: Transform): Transform =>
  (route) => {
    const transformed = transform(route)
    const given = (route.schema?.response ?? {}) as Record<string, { description?: string }>
    const answers = (transformed.schema?.response ?? {}) as Record<string, { description?: string }>
    for (const [status, { description }] of Object.entries(given))
      if (description !== undefined && answers[status] !== undefined)
        answers[status] = { ...answers[status], description }
    return transformed
  }
