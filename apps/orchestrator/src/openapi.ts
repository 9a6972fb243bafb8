/** What the OpenAPI document says of this server as a whole. */
import * as contracts from '@tutti/contracts'
import { documentRoutes } from '@tutti/openapi'
import type { FastifyInstance } from 'fastify'
import { failures } from './errors.ts'

/** To be called before the routes are registered, or they are not in it. */
export const documentOrchestrator = (app: FastifyInstance): void =>
  documentRoutes(app, {
    title: 'Tutti orchestrator',
    description: 'Durable jobs across a fleet of workers. Every error answer has a stable `code` and a `hint`.',
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
    securitySchemes: {
      clientToken: { type: 'apiKey', in: 'header', name: 'X-Avtomatika-Token' },
      clientTokenNewer: { type: 'apiKey', in: 'header', name: 'X-Client-Token' },
      bearer: { type: 'http', scheme: 'bearer' },
      workerToken: { type: 'apiKey', in: 'header', name: 'X-Worker-Token' },
    },
    schemas: {
      // Recursive: without a name of its own it could not be written down at all.
      Json: contracts.json,
      Job: contracts.jobView,
      JobEvent: contracts.jobEvent,
      JobPage: contracts.jobPage,
      JobAccepted: contracts.jobAccepted,
      Blueprint: contracts.blueprintView,
      BlueprintGraph: contracts.blueprintGraph,
      Worker: contracts.workerView,
      Task: contracts.taskPayload,
      Error: contracts.errorBody,
    },
  })

export const clientSecurity = [{ clientToken: [] }, { clientTokenNewer: [] }, { bearer: [] }]
export const workerSecurity = [{ workerToken: [] }]

/** What every route of the scope may be refused with. */
export const clientRefusals = failures('UNAUTHENTICATED', 'TOO_MANY_REQUESTS')
export const workerRefusals = failures('UNAUTHENTICATED')
