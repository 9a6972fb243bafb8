/** The worker's WebSocket: commands out, progress in. It carries nothing that can't be lost; tasks and results go over HTTP. */
import { TuttiError, type WorkerCommand } from '@tutti/contracts'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import type { WebSocket } from 'ws'
import { type Caller, namedCallerOf } from '../auth/worker/index.ts'
import { taskNews, tidyFrame } from './event-frame.ts'
import { takeNews } from './events.ts'
import type { WorkerRouteDeps } from './index.ts'
import { workerParams } from './params.ts'

/** Close code of RFC 6455. */
const policyViolation = 1008

export const socketRoutes = (deps: WorkerRouteDeps): FastifyPluginAsyncZod => {
  const { engine, settings, log } = deps
  /** The newest connection of each worker. */
  const connections = new Map<string, WebSocket>()

  return async (app) => {
    const stop = engine.onRevoked(({ worker, taskId, jobId }) => {
      const command: WorkerCommand = { command: 'cancel_task', task_id: taskId, job_id: jobId }
      connections.get(worker)?.send(JSON.stringify(command))
    })
    app.addHook('onClose', async () => stop())

    app.get('/ws/:worker_id', { websocket: true, schema: { params: workerParams } }, (socket, request) => {
      const caller = namedCallerOf(request)
      const { worker } = caller
      connections.get(worker)?.close(policyViolation, 'New connection established')
      connections.set(worker, socket)
      // The one that was replaced closes later than the new one came: it must not take that with it.
      socket.on('close', () => {
        if (connections.get(worker) === socket) connections.delete(worker)
      })
      socket.on('message', (data) => {
        receive(deps, caller, String(data)).catch((error: unknown) => {
          // Told already, and nobody waits for an answer here.
          if (!(error instanceof TuttiError && error.code === 'INVALID_BODY'))
            log.warn({ err: error, worker }, 'frame not noted')
        })
      })
      keepAlive(socket, settings.socketPingMs)
    })
  }
}

const receive = async (deps: WorkerRouteDeps, caller: Caller, text: string): Promise<void> => {
  const { worker } = caller
  const { log, rates, signatures } = deps
  const body = parse(text)
  const frame = taskNews.safeParse(tidyFrame(body))
  if (!frame.success) log.debug({ worker, fault: frame.error.issues[0]?.message }, 'frame not understood')
  else if (frame.data.worker_id !== undefined && frame.data.worker_id !== worker)
    log.debug({ worker }, 'frame in another worker’s name')
  else if (!rates.allows('event', worker)) log.debug({ worker }, 'too many frames')
  else if (signatures.check(caller, body) === 'again') log.debug({ worker }, 'frame that was here before')
  else await takeNews(deps, worker, frame.data)
}

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A connection can be dead without anybody being told; then commands would go nowhere until the operating system gives up. */
const keepAlive = (socket: WebSocket, everyMs: number): void => {
  let answered = true
  socket.on('pong', () => {
    answered = true
  })
  const timer = setInterval(() => {
    if (!answered) {
      socket.terminate()
      return
    }
    answered = false
    socket.ping()
  }, everyMs)
  socket.on('close', () => clearInterval(timer))
}
