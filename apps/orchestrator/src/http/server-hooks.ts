/** What holds for every request of every scope, and how the server ends. */
import fastifyWebsocket from '@fastify/websocket'
import { TuttiError } from '@tutti/contracts'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { WebSocket } from 'ws'
import type { RouteDeps } from '../deps.ts'
import { watchConnections } from './connections.ts'

const largestFrame = 1024 * 1024
/** Close code of RFC 6455. */
const goingAway = 1001

/** To be registered before any route. */
export const serverHooks = ({ parking, settings }: RouteDeps) =>
  fp(async (app) => {
    // First of all: it ends the sockets of refused upgrades, and only knows those that pass its own hook before they are
    // refused. The others would stay open for ever, and keep the server from closing.
    await app.register(fastifyWebsocket, {
      options: { maxPayload: largestFrame },
      errorHandler: (error, socket, request) => {
        request.log.debug({ err: error }, 'socket failed')
        socket.terminate()
      },
      preClose: async () => {
        await closeSockets(app, settings.closeGraceMs)
        app.websocketServer.close()
      },
    })

    app.addHook('onRequest', async (request, reply) => {
      reply.header('x-request-id', request.id)
      if (parking.closing) throw new TuttiError('SHUTTING_DOWN', 'This instance is stopping')
    })
    app.addHook('onSend', async (_request, reply) => {
      // Kept open, an idle connection would hold up the close.
      if (parking.closing) reply.header('connection', 'close')
    })

    const connections = watchConnections(app.server)
    let callOff = (): void => {}
    app.addHook('preClose', async () => {
      callOff = connections.cutAllAfter(settings.closeGraceMs)
      await parking.drain(settings.closeGraceMs)
      connections.cutSilent()
    })
    app.addHook('onClose', async () => callOff())
  })

const closeSockets = async (app: FastifyInstance, graceMs: number): Promise<void> => {
  const close = (socket: WebSocket): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const cut = setTimeout(() => socket.terminate(), graceMs)
    socket.once('close', () => {
      clearTimeout(cut)
      resolve()
    })
    socket.close(goingAway, 'Server shutdown')
    return promise
  }
  await Promise.all([...app.websocketServer.clients].map(close))
}
