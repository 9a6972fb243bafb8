/** A worker that is asked whether it lives, and what it does: GET /health and /metrics on a port of its own. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface HealthServer {
  readonly port: number
  close(): Promise<void>
}

/**
 * /health: 200 `OK` while `isWell`, else 503.
 * @param metrics what /metrics answers; absent: 404
 */
export const serveHealth = async (
  port: number,
  isWell: () => boolean,
  metrics?: (() => string) | undefined,
): Promise<HealthServer> => {
  const answer = (path: string | undefined): [status: number, body: string] => {
    if (path === '/health') return isWell() ? [200, 'OK'] : [503, '']
    return path === '/metrics' && metrics ? [200, metrics()] : [404, '']
  }
  const server = createServer((request, response) => {
    const [status, body] = answer(request.url?.split('?')[0])
    response.writeHead(status, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(body)
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
