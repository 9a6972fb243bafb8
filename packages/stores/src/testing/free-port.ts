import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * A port of this machine on which nobody listens. Below those that systems give to outgoing connections: one of these may be taken by a
 * neighbour's connection before the server that is to have it has started.
 */
export const freePort = async (): Promise<number> => {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const server = createServer().listen(port, '127.0.0.1')
    const free = await once(server, 'listening').then(
      () => true,
      () => false,
    )
    if (!free) continue
    server.close()
    await once(server, 'close')
    return port
  }
}
