/** A backend as a process of its own, as it is run. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePort } from '@tutti/stores/testing'

/** Bytes, after everything was collected that nobody holds. */
export interface Held {
  heapUsed: number
  external: number
  rss: number
}

export interface BenchBackend {
  url: string
  pid: number
  clientToken: string
  internalToken: string
  held(): Promise<Held>
  stop(): Promise<void>
}

const main = fileURLToPath(new URL('../../apps/backend/src/main.ts', import.meta.url))
const probe = new URL('memory-probe.ts', import.meta.url).href

/** @param objects folder of its object store */
export const startBackend = async (connectionString: string, objects: string): Promise<BenchBackend> => {
  const [clientToken, internalToken] = ['client-token-of-benchmarks', 'internal-token-of-benchmarks']
  const port = await freePort()
  const child = spawn(process.execPath, ['--expose-gc', '--import', probe, main], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: {
      ...{ PATH: process.env.PATH, HOST: '127.0.0.1', PORT: String(port), DATABASE_URL: connectionString },
      ...{ INTERNAL_API_TOKEN: internalToken, CLIENT_TOKEN: clientToken, SECRET_KEY: 'key-of-benchmarks-'.repeat(3) },
      ...{ OBJECTS_DIR: objects, LOG_LEVEL: 'WARNING' },
    },
  })
  const exited = once(child, 'exit')
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM')
    await exited
  }
  const held = async (): Promise<Held> => {
    const told = once(child, 'message')
    child.send('tell')
    const [memory] = await told
    return memory as Held
  }
  const url = `http://127.0.0.1:${port}`
  for (let n = 0; n < 200; n += 1) {
    const answers = await fetch(`${url}/health`).then(
      ({ ok }) => ok,
      () => false,
    )
    if (answers && child.pid !== undefined) return { url, pid: child.pid, clientToken, internalToken, held, stop }
    await delay(50)
  }
  await stop()
  throw new Error('the backend does not answer')
}
