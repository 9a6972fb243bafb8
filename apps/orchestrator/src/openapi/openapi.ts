/** The OpenAPI document, made of the very schemas that check the requests. */
import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from 'fastify-type-provider-zod'
import { schemaRegistry } from './schemas.ts'
import { tidyDocument } from './tidy.ts'

const withSchemas = createJsonSchemaTransformObject({ schemaRegistry })

/** To be registered before the routes, or they are not in it. */
export const documentRoutes = (app: FastifyInstance): void => {
  app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Tutti orchestrator',
        version: '1',
        description: 'Durable jobs across a fleet of workers. Every error answer has a stable `code` and a `hint`.',
      },
      tags: [
        { name: 'jobs', description: 'Create jobs, follow them, decide for them' },
        { name: 'files', description: 'What jobs work on and what they made' },
        { name: 'schedules', description: 'Jobs by the clock' },
        { name: 'webhooks', description: 'What is told to your receivers' },
        { name: 'overview', description: 'Numbers' },
        { name: 'history', description: 'Lines of logs, longer than the jobs themselves' },
        { name: 'blueprints', description: 'The state machines that jobs walk through' },
        { name: 'workers', description: 'Who does the work' },
        { name: 'worker protocol', description: 'How a worker in any language takes tasks and answers them' },
        { name: 'admin', description: 'For operators' },
        { name: 'public', description: 'Without a token' },
      ],
      components: {
        securitySchemes: {
          clientToken: { type: 'apiKey', in: 'header', name: 'X-Avtomatika-Token' },
          clientTokenNewer: { type: 'apiKey', in: 'header', name: 'X-Client-Token' },
          bearer: { type: 'http', scheme: 'bearer' },
          workerToken: { type: 'apiKey', in: 'header', name: 'X-Worker-Token' },
        },
      },
    },
    transform: createJsonSchemaTransform({ schemaRegistry }),
    transformObject: (document) => tidyDocument(withSchemas(document)),
  })
}

/** Sets what all routes of a scope have in common in the document. */
export const inDocument = (
  app: FastifyInstance,
  common: { hide: true } | { security: { [scheme: string]: string[] }[] },
): void => {
  app.addHook('onRoute', (route) => {
    route.schema = { ...common, ...route.schema, ...('hide' in common ? common : {}) }
  })
}

export const clientSecurity = [{ clientToken: [] }, { clientTokenNewer: [] }, { bearer: [] }]
export const workerSecurity = [{ workerToken: [] }]
