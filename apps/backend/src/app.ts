/** The server: one scope per kind of caller, each with its own way to say who is calling. */
import type { AddressInfo } from 'node:net'
import websocket from '@fastify/websocket'
import { TuttiError } from '@tutti/contracts'
import { answerUnreadable, documentPages, inDocument, validatorCompiler } from '@tutti/openapi'
import { accessLog } from '@tutti/telemetry'
import fastify, { type FastifyInstance } from 'fastify'
import { requireManager } from './auth/manager.ts'
import { accessFault, requireUser, userOf } from './auth/user.ts'
import type { BackendDeps, RouteDeps } from './deps.ts'
import { demandPace, headerLimits } from './http/arrival.ts'
import { allowOrigins } from './http/cors.ts'
import { answerErrors, answerUnroutable, refusalBody } from './http/errors.ts'
import { createOpenRequests } from './http/open-requests.ts'
import { requestId, traceId } from './http/request-id.ts'
import { watchSilentConnections } from './http/silent-connections.ts'
import { anywhere, documentBackend, managerSecurity, userSecurity } from './openapi.ts'
import { attachmentRoutes } from './routes/attachments.ts'
import { authRoutes, publicAuthRoutes } from './routes/auth.ts'
import { budgetRoutes, operatorBudgetRoutes } from './routes/budgets.ts'
import { bundleRoutes, operatorBundleRoutes } from './routes/bundles.ts'
import { claudeMdRoutes } from './routes/claude-md.ts'
import { configRoutes } from './routes/config.ts'
import { envVarRoutes, operatorEnvVarRoutes } from './routes/env-vars.ts'
import { filesystemRoutes } from './routes/filesystem.ts'
import { healthRoutes } from './routes/health.ts'
import { historyRoutes } from './routes/history.ts'
import { installRoutes } from './routes/installs.ts'
import { internalSessionRoutes } from './routes/internal-sessions.ts'
import { managerRoutes } from './routes/manager.ts'
import { mcpServerRoutes, operatorMcpServerRoutes } from './routes/mcp-servers.ts'
import { memoryRoutes } from './routes/memories.ts'
import { messageRoutes } from './routes/messages.ts'
import { modelRoutes } from './routes/models.ts'
import { objectRoutes } from './routes/objects.ts'
import { presetRoutes } from './routes/presets.ts'
import { projectFileRoutes } from './routes/project-files.ts'
import { projectRoutes } from './routes/projects.ts'
import { queueRoutes } from './routes/queue.ts'
import { requestLinkRoutes } from './routes/request-links.ts'
import { runRoutes } from './routes/runs.ts'
import { internalScheduledTaskRoutes, scheduledTaskRoutes } from './routes/scheduled-tasks.ts'
import { scheduleRoutes } from './routes/schedules.ts'
import { searchRoutes } from './routes/search.ts'
import { sessionRoutes } from './routes/sessions.ts'
import { slashCommandRoutes } from './routes/slash-commands.ts'
import { streamRoutes } from './routes/stream.ts'
import { subagentRoutes } from './routes/subagents.ts'
import { taskRoutes } from './routes/tasks.ts'
import { usageRoutes } from './routes/usage.ts'
import { userInputRequestRoutes } from './routes/user-input-requests.ts'
import { workspaceRoutes } from './routes/workspace.ts'
import { completeSettings } from './settings.ts'

export interface Backend {
  readonly app: FastifyInstance
  /** Listens on the configured host. @returns the port, also where 0 asked for any */
  listen(port: number): Promise<number>
  /** Ends polls and WebSockets, answers what is under way, and stops listening. Workbench and engine go on. */
  close(): Promise<void>
}

/** Where presigned addresses are mounted, below the backend's public address. */
export const objectsPath = '/api/v1/objects'

const userRoutes = [
  taskRoutes,
  sessionRoutes,
  workspaceRoutes,
  messageRoutes,
  queueRoutes,
  historyRoutes,
  runRoutes,
  userInputRequestRoutes,
  projectRoutes,
  projectFileRoutes,
  attachmentRoutes,
  searchRoutes,
  usageRoutes,
  budgetRoutes,
  modelRoutes,
  authRoutes,
  scheduleRoutes,
  scheduledTaskRoutes,
  envVarRoutes,
  mcpServerRoutes,
  bundleRoutes,
  installRoutes,
  slashCommandRoutes,
  subagentRoutes,
  claudeMdRoutes,
  presetRoutes,
  memoryRoutes,
  streamRoutes,
]

/** Larger than any frame that a reader sends; without it one frame could fill the memory. */
const maxClientFrameBytes = 16_384

/** @throws TypeError when the configuration would leave everything open to the network */
export const createBackend = (given: BackendDeps): Backend => {
  const config = completeSettings(given.config)
  const refusal = accessFault(config)
  if (refusal) throw new TypeError(`${refusal.what}: ${refusal.remedy}`)
  const open = createOpenRequests()
  const deps: RouteDeps = { ...given, config, open }

  const app = fastify({
    genReqId: requestId,
    bodyLimit: 1_000_000,
    http: headerLimits(config.arrivalMs),
    frameworkErrors: answerUnroutable,
    clientErrorHandler: answerUnreadable(refusalBody),
    // A signed link is longer than an id.
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 2_048 },
    // Answered by a hook instead, in the form of every other error.
    return503OnClosing: false,
    // The objects' route answers HEAD itself.
    exposeHeadRoutes: false,
  })
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(() => JSON.stringify)
  answerErrors(app, given.log)
  demandPace(app, config.arrivalMs)

  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id).header('x-trace-id', traceId(request))
    if (open.closing) {
      // Kept open, an idle connection would hold up the close.
      reply.header('connection', 'close')
      throw new TuttiError('SHUTTING_DOWN', 'This instance is stopping')
    }
  })
  // There is one user, and every caller but a manager, or the reader of a presigned address, has proved to be that one.
  if (config.accessLog) app.addHook('onResponse', accessLog(given.log, userOf(config.userId)))
  app.addHook('onSend', async (request, reply) => {
    // An upgrade that was refused: nobody else ends its connection, and it would hold up the close for ever.
    if (request.headers.upgrade !== undefined) reply.raw.once('finish', () => request.raw.socket.destroySoon())
  })
  allowOrigins(app, config.corsOrigins)
  app.register(websocket, { options: { maxPayload: maxClientFrameBytes } })
  const cutSilent = watchSilentConnections(app.server)
  app.addHook('preClose', async () => {
    open.close()
    cutSilent()
    // Whoever does not answer the close, or never ends its request, would hold it up for ever.
    setTimeout(() => {
      for (const client of app.websocketServer.clients) client.terminate()
      app.server.closeAllConnections()
    }, config.closeGraceMs).unref()
  })

  documentBackend(app)
  app.register(async (scope) => {
    // Open to everybody: so each route here says itself that it needs no token.
    inDocument(scope, { failures: anywhere })
    documentPages(scope)
    await scope.register(healthRoutes(deps))
    await scope.register(requestLinkRoutes(deps))
    for (const routes of [configRoutes(deps), publicAuthRoutes(), filesystemRoutes()])
      await scope.register(routes, { prefix: '/api/v1' })
  })
  app.register(objectRoutes(deps), { prefix: '/api/v1' })
  app.register(
    async (api) => {
      await api.register(async (scope) => {
        requireManager(scope, config.internalToken)
        inDocument(scope, { security: managerSecurity, failures: anywhere })
        await scope.register(managerRoutes(deps))
        await scope.register(operatorBudgetRoutes(deps))
        await scope.register(internalScheduledTaskRoutes(deps))
        await scope.register(operatorEnvVarRoutes(deps))
        await scope.register(operatorMcpServerRoutes(deps))
        await scope.register(operatorBundleRoutes(deps))
        await scope.register(internalSessionRoutes(deps))
      })
      await api.register(async (scope) => {
        requireUser(scope, config)
        inDocument(scope, { security: userSecurity, failures: ['UNAUTHENTICATED', ...anywhere] })
        for (const routes of userRoutes) await scope.register(routes(deps))
      })
    },
    { prefix: '/api/v1' },
  )

  return {
    app,
    listen: async (port) => {
      await app.listen({ host: config.host, port })
      return (app.server.address() as AddressInfo).port
    },
    close: () => app.close(),
  }
}
