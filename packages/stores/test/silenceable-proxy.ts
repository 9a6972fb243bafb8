/** A TCP proxy before a PostgreSQL whose connections can fall silent, as behind a firewall that has forgotten them. */

import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export interface SilenceableProxy {
  connectionString: string
  /** From now on nothing passes on the connections that are open, and none of them is closed; new ones work. */
  silence(): void
  close(): Promise<void>
}

export const silenceableProxy = async (behind: string): Promise<SilenceableProxy> => {
  const url = new URL(behind.replace(/^postgresql:\/\/\//, 'postgresql://localhost/'))
  const host = url.searchParams.get('host') ?? url.hostname
  const port = url.port || '5432'
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(Number(port), host)
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on('data', (data) => {
        if (!silent.has(near)) to.write(data)
      })
      from.on('error', () => to.destroy())
      from.on('close', () => {
        sockets.delete(from)
        if (!silent.has(near)) to.destroy()
      })
    }
    open.add(near)
  })
  const open = new Set<Socket>()
  const silent = new Set<Socket>()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy listens on a port')
  url.searchParams.delete('host')
  const user = url.searchParams.get('user') ?? url.username
  return {
    connectionString: `postgresql://${user}@127.0.0.1:${address.port}${url.pathname}`,
    silence: () => {
      for (const socket of open) silent.add(socket)
    },
    close: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
