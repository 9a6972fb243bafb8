import { createServer } from 'node:net'

/** A port that was free a moment ago. */
export const freePort = (host: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, host, () => {
      const address = server.address()
      const port = typeof address === 'object' && address ? address.port : 0
      server.close(() => resolve(port))
    })
  })

export class PortInUseError extends Error {
  override readonly name = 'PortInUseError'
}

/** @throws PortInUseError naming the port, the use it was meant for, and the way out */
export const demandPort = (host: string, port: number, use: string, option: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new PortInUseError(
              `port ${port} (${use}) is in use: stop what uses it, choose another with ${option}, or take any with ${option} 0`,
            )
          : error,
      ),
    )
    server.listen(port, host, () => server.close(() => resolve()))
  })
