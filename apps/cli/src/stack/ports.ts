/** The ports of the servers, chosen together, so that none of them is found in use halfway through the start. */
import { createServer, type Server } from 'node:net'

export class PortError extends Error {
  override readonly name = 'PortError'
}

export interface PortWish {
  host: string
  /** 0 takes any that is free. */
  port: number
  /** As shown to people. */
  use: string
  /** How another one is asked for. */
  option: string
}

/** @throws PortError naming the port, the use it was meant for, and the way out */
export const choosePorts = async (wishes: PortWish[]): Promise<number[]> => {
  const held: Server[] = []
  const ports: number[] = []
  try {
    for (const [at, wish] of wishes.entries()) {
      const twin = wishes.slice(0, at).find(({ port }) => port !== 0 && port === wish.port)
      if (twin)
        throw new PortError(
          `port ${wish.port} is asked for twice: ${twin.use} (${twin.option}) and ${wish.use} (${wish.option})`,
        )
      // Each is held until all are chosen: one that was let go at once might be given out a second time.
      const server = await hold(wish)
      held.push(server)
      const address = server.address()
      ports.push(typeof address === 'object' && address ? address.port : wish.port)
    }
    return ports
  } finally {
    await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))))
  }
}

const hold = (wish: PortWish): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => reject(new PortError(explain(wish, error))))
    server.listen(wish.port, wish.host, () => resolve(server))
  })

const explain = ({ host, port, use, option }: PortWish, { code, message }: NodeJS.ErrnoException): string => {
  if (code === 'EADDRINUSE')
    return `port ${port} (${use}) is in use: stop what uses it, choose another with ${option}, or take any with ${option} 0`
  if (code === 'EACCES')
    return `port ${port} (${use}) is not for this account: choose one above 1023 with ${option}, or take any with ${option} 0`
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return `${host} is no address of this machine: choose another with --host`
  return `the ${use} can't listen on ${host}:${port}: ${message}`
}
