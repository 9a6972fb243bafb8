/** `tutti up` as a person starts it, on ports that are free. */
import { createServer } from 'node:net'
import { type Started, tutti } from './processes.ts'

export interface UpStack extends Started {
  apiUrl: string
  backendUrl: string
  clientToken: string
  workerToken: string
}

export const anyPorts = ['--api-port', '0', '--port', '0', '--manager-port', '0']

export const up = async (dataDir: string, args: string[] = [], env: Record<string, string> = {}): Promise<UpStack> => {
  const started = tutti(['up', '--data-dir', dataDir, ...anyPorts, ...args], { LOG_LEVEL: 'WARNING', ...env })
  const text = async (pattern: RegExp): Promise<string> => (await started.prints(pattern))[1] ?? ''
  await started.prints(/Ctrl\+C stops it/)
  return {
    ...started,
    apiUrl: await text(/jobs +(http:\S+)/),
    backendUrl: await text(/sessions +(http:\S+)/),
    clientToken: await text(/client +(\S+) +header X-Client-Token/),
    workerToken: await text(/worker +(\S+) +header X-Worker-Token/),
  }
}

/** A port that somebody listens on, until the returned function is called. */
export const takenPort = (): Promise<{ port: number; free: () => Promise<void> }> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      const port = typeof address === 'object' && address ? address.port : 0
      resolve({ port, free: () => new Promise((done) => server.close(() => done())) })
    })
  })
