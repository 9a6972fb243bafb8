/**
 * The way out for the agent's tools: a proxy on loopback that takes CONNECT and passes it on to the relay, which decides. It adds the
 * relay token itself, so that no tool ever holds it. Everything in the sandbox may use it: the list of hosts is the run's.
 */
import { createServer, request as httpRequest } from 'node:http'
import type { Duplex } from 'node:stream'
import type { RelayAddress } from './relay.ts'

export interface EgressProxy {
  /** For the tools' environment. */
  env: Record<string, string>
  close(): void
}

/** Starts the proxy on a free port of 127.0.0.1. */
export const createEgressProxy = async ({ token, ...place }: RelayAddress): Promise<EgressProxy> => {
  const clients = new Set<Duplex>()
  const server = createServer((_, response) => {
    response.writeHead(405, { 'content-type': 'text/plain', connection: 'close' })
    response.end('This proxy takes CONNECT only: use https.\n')
  })
  server.on('connect', (incoming, client, head) => {
    clients.add(client)
    client.on('error', () => client.destroy())
    const outgoing = httpRequest({
      ...{ ...place, method: 'CONNECT', path: incoming.url ?? '' },
      headers: { host: 'relay', authorization: `Bearer ${token}` },
      agent: false,
    })
    client.once('close', () => {
      clients.delete(client)
      outgoing.destroy()
    })
    outgoing.on('connect', (answer, upstream, first) => {
      upstream.on('error', () => upstream.destroy())
      upstream.once('close', () => client.destroy())
      client.once('close', () => upstream.destroy())
      client.write(
        `HTTP/1.1 ${answer.statusCode ?? 502} ${answer.statusCode === 200 ? 'Connection established' : 'Refused'}\r\n\r\n`,
      )
      if (first.length > 0) client.write(first)
      if (head.length > 0) upstream.write(head)
      upstream.pipe(client)
      client.pipe(upstream)
    })
    outgoing.on('error', () => client.end('HTTP/1.1 502 Bad Gateway\r\nconnection: close\r\n\r\n'))
    outgoing.end()
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
  return {
    env: {
      ...{
        HTTPS_PROXY: url,
        https_proxy: url,
        NO_PROXY: 'localhost,127.0.0.1,::1',
        no_proxy: 'localhost,127.0.0.1,::1',
      },
      // Programs of Node look at these variables only when they are told to.
      NODE_USE_ENV_PROXY: '1',
    },
    close: () => {
      for (const client of clients) client.destroy()
      server.close()
      server.closeAllConnections()
    },
  }
}
