/**
 * The manager's own API: health for who watches over the process, and what an operator or the backend asks of this one host.
 * Runs come the other way: the manager asks for them.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  cancelExecutor,
  type ExecutorCancelled,
  type ExecutorLoad,
  type PullSchedules,
  type PullTriggered,
  type ScheduleMode,
  TuttiError,
  triggerPull,
} from '@tutti/contracts'
import { accessLog, type Logger } from '@tutti/telemetry'
import fastify, { type FastifyError } from 'fastify'
import type { z } from 'zod'
import type { Callbacks } from '../relay/callbacks.ts'
import { arrivalLimits } from '../relay/listen.ts'
import type { Health } from './health.ts'
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

export const startApi = async (
  deps: ApiDeps,
  { host, port, internalToken, accessLog: logs, requestMs, callbacks }: ApiOptions,
): Promise<ApiServer> => {
  const app = fastify({
    ...{ forceCloseConnections: true, bodyLimit: 65_536, routerOptions: { ignoreTrailingSlash: true } },
    serverFactory: (handler) => {
      const server = createServer(arrivalLimits(requestMs), (incoming, response) => {
        if (callbacks?.request(incoming, response) !== true) handler(incoming, response)
      })
      if (callbacks !== undefined) server.on('connect', callbacks.connect)
      return server
    },
  })
  const isKnown = createTokenCheck(internalToken)
  if (logs)
    app.addHook(
      'onResponse',
      accessLog(deps.log, () => undefined),
    )

  app.setErrorHandler((error: FastifyError | TuttiError, request, reply) => {
    const known = asKnown(error)
    if (known.status >= 500) deps.log.error({ err: error, route: request.routeOptions.url }, 'a request failed')
    const { hint, retryable, path } = known.body()
    const data = { code: known.code, hint, retryable, ...(path === undefined ? {} : { path }) }
    return reply.code(known.status).send({ code: known.status * 100, message: known.message, data })
  })
  app.setNotFoundHandler((request) => {
    throw new TuttiError('NOT_FOUND', `There is no ${request.method} ${request.url.split('?')[0]}`)
  })

  for (const path of ['/', '/health']) {
    app.get(path, async (_request, reply) => {
      const data = deps.health()
      // A backend that is away is not cured by restarting this process, so it stays 200.
      const stopping = data.status === 'draining'
      return reply.code(stopping ? 503 : 200).send({ code: stopping ? 50300 : 0, message: data.status, data })
    })
  }

  app.register(
    async (api) => {
      api.addHook('onRequest', async (request) => {
        // Before anything of the request is read.
        if (!isKnown(request.headers['x-internal-token']))
          throw new TuttiError('FORBIDDEN', 'The header X-Internal-Token must hold INTERNAL_API_TOKEN')
      })
      // What is not there looks to a stranger like what is.
      api.setNotFoundHandler((request) => {
        if (!isKnown(request.headers['x-internal-token']))
          throw new TuttiError('FORBIDDEN', 'The header X-Internal-Token must hold INTERNAL_API_TOKEN')
        throw new TuttiError('NOT_FOUND', `There is no ${request.method} ${request.url.split('?')[0]}`)
      })
      await api.register(workspaceRoutes(deps.workspaces))
      api.get('/schedules', async () => ok(deps.schedules()))
      api.get('/executor/load', async () => ok(deps.load()))
      api.post('/executor/cancel', async ({ body }) => {
        const { session_id, reason } = checked(cancelExecutor, body)
        return ok(await deps.cancel(session_id, reason))
      })
      api.post('/internal/pull/trigger', async ({ body }) => {
        const { schedule_modes, reason } = checked(triggerPull, body)
        return ok({ ...deps.pull(schedule_modes), reason })
      })
    },
    { prefix: '/api/v1' },
  )

  await app.listen({ host, port })
  const address = app.server.address() as AddressInfo
  return { port: address.port, close: () => app.close() }
}

const ok = <T>(data: T) => ({ code: 0, message: 'success', data })

const checked = <Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> => {
  const { data, error } = schema.safeParse(body ?? {})
  if (!error) return data
  const [issue] = error.issues
  const path = ['body', ...(issue?.path ?? [])].join('.')
  throw new TuttiError('INVALID_BODY', `${path}: ${issue?.message ?? 'invalid'}`, { path })
}

const asKnown = (error: FastifyError | TuttiError): TuttiError => {
  if (error instanceof TuttiError) return error
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return new TuttiError('PAYLOAD_TOO_LARGE', 'The request body is too large', { path: 'body' })
  if (error.statusCode !== undefined && error.statusCode < 500)
    return new TuttiError('INVALID_BODY', error.message, { path: 'body' })
  return new TuttiError('INTERNAL', 'Internal error; see the log')
}
