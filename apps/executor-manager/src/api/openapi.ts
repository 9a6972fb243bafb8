/** What the OpenAPI document says of this server as a whole. */
import { documentRoutes } from '@tutti/openapi'
import type { FastifyInstance } from 'fastify'

/** To be called before the routes are registered, or they are not in it. */
export const documentManager = (app: FastifyInstance): void =>
  documentRoutes(app, {
    title: 'Tutti executor manager',
    description:
      'What an operator or the backend asks of one host. Runs come the other way: the manager asks for them.',
    tags: [
      { name: 'schedules', description: 'When runs are taken' },
      { name: 'executor', description: 'What runs here' },
      { name: 'workspaces', description: 'What lies on this host' },
      { name: 'public', description: 'Without a token' },
    ],
    securitySchemes: { internalToken: { type: 'apiKey', in: 'header', name: 'X-Internal-Token' } },
    schemas: {},
  })

export const managerSecurity = [{ internalToken: [] }]
