/**
 * The manager's own API: health for who watches over the process, and what an operator or the backend asks of this one host.
 * Runs come the other way: the manager asks for them.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  type ExecutorCancelled,
  type ExecutorLoad,
  type PullSchedules,
  type PullTriggered,
  type ScheduleMode,
  TuttiError,
} from '@tutti/contracts'
import { answerUnreadable, documentPages, inDocument, validatorCompiler } from '@tutti/openapi'
import { accessLog, type Logger } from '@tutti/telemetry'
import fastify, { type FastifyInstance } from 'fastify'
import type { Callbacks } from '../relay/callbacks.ts'
import { arrivalLimits, upgradesEvents } from '../relay/listen.ts'
import { answerErrors, answerUnroutable, notFound, refusalBody } from './errors.ts'
import { type Health, healthRoutes } from './health.ts'
import { documentManager, managerSecurity } from './openapi.ts'
import { managerRoutes } from './routes.ts'
import { createTokenCheck } from './token.ts'
import { type WorkspaceDeps, workspaceRoutes } from './workspaces.ts'

export interface ApiOptions {
  host: string
  port: number
  /** What every request but for health has to carry in X-Internal-Token. */
  internalToken: string
  /** Whether each request is logged. */
  accessLog: boolean
  /** How long a request may take to arrive. */
  requestMs: number
  /** Sandboxes that reach their relays over this port, where they do. */
  callbacks: Callbacks | undefined
}

export interface ApiDeps {
  log: Logger
  health(): Health
  schedules(): PullSchedules
  load(): ExecutorLoad
  /** Without modes: those that are open. */
  pull(modes: ScheduleMode[]): Omit<PullTriggered, 'reason'>
  cancel(sessionId: string, reason: string | null): Promise<ExecutorCancelled>
  workspaces: WorkspaceDeps
}

export interface ApiServer {
  readonly port: number
  close(): Promise<void>
}

export const startApi = async (deps: ApiDeps, { host, port, ...options }: ApiOptions): Promise<ApiServer> => {
  const app = createApi(deps, options)
  await app.listen({ host, port })
  const address = app.server.address() as AddressInfo
  return { port: address.port, close: () => app.close() }
}

/** The server, before it listens. */
export const createApi = (
  deps: ApiDeps,
  { internalToken, accessLog: logs, requestMs, callbacks }: Omit<ApiOptions, 'host' | 'port'>,
): FastifyInstance => {
  const app = fastify({
    forceCloseConnections: true,
    bodyLimit: 65_536,
    frameworkErrors: answerUnroutable,
    clientErrorHandler: answerUnreadable(refusalBody),
    routerOptions: { ignoreTrailingSlash: true },
    serverFactory: (handler) => {
      if (callbacks === undefined) return createServer(arrivalLimits(requestMs), handler)
      return createServer({ ...arrivalLimits(requestMs), ...upgradesEvents }, (incoming, response) => {
        if (!callbacks.request(incoming, response)) handler(incoming, response)
      })
        .on('connect', callbacks.connect)
        .on('upgrade', callbacks.upgrade)
    },
  })
  const isKnown = createTokenCheck(internalToken)
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(() => JSON.stringify)
  if (logs)
    app.addHook(
      'onResponse',
      accessLog(deps.log, () => undefined),
    )
  answerErrors(app, deps.log)
  documentManager(app)

  app.register(async (scope) => {
    // Open to everybody: so each route here says itself that it needs no token.
    inDocument(scope, { failures: ['INTERNAL'] })
    documentPages(scope)
    await scope.register(healthRoutes(deps))
  })
  app.register(
    async (scope) => {
      scope.addHook('onRequest', async (request) => {
        // Before anything of the request is read.
        if (!isKnown(request.headers['x-internal-token'])) throw refused()
      })
      // What is not there looks to a stranger like what is.
      scope.setNotFoundHandler((request) => {
        throw isKnown(request.headers['x-internal-token']) ? notFound(request) : refused()
      })
      inDocument(scope, { security: managerSecurity, failures: ['FORBIDDEN', 'INTERNAL'] })
      await scope.register(managerRoutes(deps))
      await scope.register(workspaceRoutes(deps.workspaces))
    },
    { prefix: '/api/v1' },
  )
  return app
}

const refused = (): TuttiError =>
  new TuttiError('FORBIDDEN', 'The header X-Internal-Token must hold INTERNAL_API_TOKEN')
