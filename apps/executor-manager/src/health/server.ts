/** Two addresses for who watches over this process. Everything else goes the other way: the manager asks, nobody calls. */
import type { AddressInfo } from 'node:net'
import { accessLog, type Logger } from '@tutti/telemetry'
import fastify from 'fastify'

export interface Health {
  service: 'executor-manager'
  status: 'ok' | 'degraded' | 'draining'
  worker_id: string
  sandbox: string
  /** False: agents run without any isolation. */
  isolates: boolean
  running: number
  capacity: number
  /** Why no runs can be taken at the moment; null when they can. */
  fault: string | null
}

export interface HealthServer {
  readonly port: number
  close(): Promise<void>
}

/** @param requests where each request is logged; left out: nowhere */
export const startHealthServer = async (
  host: string,
  port: number,
  health: () => Health,
  requests?: Logger,
): Promise<HealthServer> => {
  const app = fastify({ forceCloseConnections: true })
  if (requests)
    app.addHook(
      'onResponse',
      accessLog(requests, () => undefined),
    )
  for (const path of ['/', '/health']) {
    app.get(path, async (_request, reply) => {
      const data = health()
      // A backend that is away is not cured by restarting this process, so it stays 200.
      const stopping = data.status === 'draining'
      return reply.code(stopping ? 503 : 200).send({ code: stopping ? 50300 : 0, message: data.status, data })
    })
  }
  app.setNotFoundHandler((_request, reply) => reply.code(404).send({ code: 40400, message: 'not found', data: null }))
  await app.listen({ host, port })
  const address = app.server.address() as AddressInfo
  return { port: address.port, close: () => app.close() }
}
