/** The server: one scope per kind of caller, each with its own way to say who is calling. */
import type { AddressInfo } from 'node:net'
import type { TlsFiles } from '@tutti/config'
import { answerUnreadable, inDocument } from '@tutti/openapi'
import { accessLog } from '@tutti/telemetry'
import fastify, { type FastifyInstance, type FastifyRequest, LogController } from 'fastify'
import { approvalLinkRoutes } from './approvals/routes.ts'
import { clientIdOf, requireClient } from './auth/client.ts'
import type { WorkerAuthMode } from './auth/worker/identify.ts'
import { workerIdOf } from './auth/worker/index.ts'
import { clientApi } from './client-api.ts'
import type { OrchestratorDeps, RouteDeps } from './deps.ts'
import { answerError, answerErrors } from './errors.ts'
import { createClientLimit } from './http/client-rates.ts'
import { compressAnswers } from './http/compress.ts'
import { readJsonBodies } from './http/json-body.ts'
import { createParking } from './http/parking.ts'
import { requestId } from './http/request-id.ts'
import { serverHooks } from './http/server-hooks.ts'
import { serverLog } from './http/server-log.ts'
import { validatorCompiler } from './http/validation.ts'
import { clientRefusals, clientSecurity, documentOrchestrator, workerRefusals, workerSecurity } from './openapi.ts'
import { approvalRoutes } from './routes/approvals.ts'
import { metricsRoutes } from './routes/metrics.ts'
import { objectRoutes } from './routes/objects.ts'
import { publicRoutes } from './routes/public.ts'
import { defaultSettings } from './settings.ts'
import { createWriteInstant } from './views/instant.ts'
import { workerApi } from './worker-api/index.ts'

export interface Orchestrator {
  readonly app: FastifyInstance
  /** @returns the port, also where 0 asked for any */
  listen(address: { host: string; port: number }): Promise<number>
  /** Ends polls, streams and sockets, answers what is under way, and stops listening. Engine and Store go on. */
  close(): Promise<void>
}

/**
 * A certificate that is asked for is only taken as proof if the authority signed it: see `certificateName`. The type stays that of
 * plain HTTP: routes see no difference.
 */
const tlsOptions = (tls: TlsFiles | undefined, workerAuthMode: WorkerAuthMode): object => {
  if (!tls) return {}
  const { cert, key, ca, requireClientCert } = tls
  if (ca === null || !(requireClientCert || workerAuthMode !== 'token-only')) return { https: { cert, key } }
  return { https: { cert, key, ca, requestCert: true, rejectUnauthorized: requireClientCert } }
}

export const createOrchestrator = (given: OrchestratorDeps): Orchestrator => {
  const settings = { ...defaultSettings, ...given.settings }
  const parking = createParking()
  const deps: RouteDeps = {
    ...given,
    settings,
    parking,
    clientLimit: createClientLimit(settings.clientRate, given.now ?? Date.now),
    instant: createWriteInstant(settings.timeZone),
  }

  const app = fastify({
    ...tlsOptions(given.tls, settings.workerAuthMode),
    loggerInstance: serverLog(given.log),
    // A line for each poll of each worker would bury the others.
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request_id' }),
    genReqId: requestId,
    bodyLimit: settings.bodyLimitBytes,
    // The server's own handlerTimeout is not used: its clock stops as soon as a body has been read, and it costs each request
    // an error object. How long an answer may take is for the store to limit.
    requestTimeout: settings.requestTimeoutMs,
    routerOptions: { maxParamLength: 256, ignoreTrailingSlash: true },
    // A HEAD of a poll would take a task and throw it away.
    exposeHeadRoutes: false,
    frameworkErrors: answerError,
    clientErrorHandler: answerUnreadable((error) => error.body()),
    // Answered by a hook instead, in the form of every other error.
    return503OnClosing: false,
  })
  app.setValidatorCompiler(validatorCompiler)
  // Answers are made by typed functions, and tests hold those to the contracts. Checking each answer again would cost as
  // much as making it, and would turn an odd field into a failed request.
  app.setSerializerCompiler(() => JSON.stringify)
  readJsonBodies(app)
  answerErrors(app)

  app.register(serverHooks(deps))
  if (settings.accessLog)
    app.addHook(
      'onResponse',
      accessLog(given.log, (request: FastifyRequest) => clientIdOf(request) ?? workerIdOf(request)),
    )
  compressAnswers(app)
  documentOrchestrator(app)
  app.register(publicRoutes(deps), { prefix: '/_public' })
  app.register(metricsRoutes(deps), { prefix: '/_public' })
  app.register(approvalLinkRoutes(deps), { prefix: '/_public' })
  app.register(objectRoutes(deps), { prefix: '/_public' })
  app.register(
    async (scope) => {
      requireClient(scope, deps.clients)
      inDocument(scope, { security: clientSecurity, response: clientRefusals })
      await scope.register(approvalRoutes(deps, '/webhooks/approval/:id', 'approveJobOlder'))
    },
    { prefix: '/_public' },
  )
  if (settings.enableClientApi) {
    const prefix = settings.clientApiPrefix === '' ? '' : `/${settings.clientApiPrefix}`
    app.register(
      async (scope) => {
        inDocument(scope, { security: clientSecurity, response: clientRefusals })
        await scope.register(clientApi(deps))
      },
      { prefix: `${prefix}/v1` },
    )
    app.register(
      async (scope) => {
        // The same again, for callers of the older API.
        inDocument(scope, { hide: true })
        await scope.register(clientApi(deps))
      },
      { prefix },
    )
  }
  app.register(
    async (scope) => {
      inDocument(scope, { security: workerSecurity, response: workerRefusals })
      await scope.register(workerApi(deps))
    },
    { prefix: '/_worker' },
  )

  return {
    app,
    listen: async ({ host, port }) => {
      await app.listen({ host, port })
      return (app.server.address() as AddressInfo).port
    },
    close: () => app.close(),
  }
}
