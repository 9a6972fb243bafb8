/** A worker that is asked whether it lives: GET /health on a port of its own. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface HealthServer {
  readonly port: number
  close(): Promise<void>
}

/** 200 `OK` while `isWell`, else 503. */
export const serveHealth = async (port: number, isWell: () => boolean): Promise<HealthServer> => {
  const server = createServer((request, response) => {
    const status = request.url?.split('?')[0] !== '/health' ? 404 : isWell() ? 200 : 503
    response.writeHead(status, { 'content-type': 'text/plain' }).end(status === 200 ? 'OK' : '')
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}
