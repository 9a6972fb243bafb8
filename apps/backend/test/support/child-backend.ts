/** A backend in a process of its own, to be killed without warning and started again at the same address. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort, testDatabase } from '@tutti/stores/testing'
import { expect } from 'vitest'

export interface ChildBackend {
  connectionString: string
  /** Resolves when it answers. */
  start(): Promise<void>
  /** @returns its exit code; null where there is none, or none was alive */
  end(signal: NodeJS.Signals): Promise<number | null>
  /** As the user, and as a manager: GET, or POST with a body. @throws Error while it is away */
  call<T>(path: string, body?: object): Promise<{ code: number; data: T }>
  close(): Promise<void>
}

const internalToken = 'internal-token-of-tests'

export const createChildBackend = async (): Promise<ChildBackend> => {
  const database = await testDatabase()
  const folder = await mkdtemp(join(tmpdir(), 'tutti-backend-'))
  const port = await freePort()
  const address = `http://127.0.0.1:${port}`
  const env = {
    ...process.env,
    ...{ HOST: '127.0.0.1', PORT: String(port), DATABASE_URL: database.connectionString, OBJECTS_DIR: folder },
    ...{ INTERNAL_API_TOKEN: internalToken, SECRET_KEY: 'key-of-tests-'.repeat(3), LOG_LEVEL: 'ERROR' },
  }
  let child: ChildProcess | undefined
  const end: ChildBackend['end'] = async (signal) => {
    const ending = child
    if (!ending || ending.exitCode !== null || ending.signalCode !== null) return null
    const code = new Promise<number | null>((resolve) => ending.once('exit', resolve))
    ending.kill(signal)
    return code
  }
  return {
    connectionString: database.connectionString,
    end,
    start: async () => {
      const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
      child = spawn(process.execPath, [main], { env, stdio: ['ignore', 'ignore', 'inherit'] })
      const answers = () =>
        fetch(`${address}/health`).then(
          (response) => response.ok,
          () => false,
        )
      await expect.poll(answers, { timeout: 60_000, interval: 50 }).toBe(true)
    },
    call: async <T>(path: string, body?: object) => {
      const response = await fetch(`${address}/api/v1${path}`, {
        method: body ? 'POST' : 'GET',
        headers: { 'x-internal-token': internalToken, ...(body ? { 'content-type': 'application/json' } : {}) },
        ...(body ? { body: JSON.stringify(body) } : {}),
      })
      return (await response.json()) as { code: number; data: T }
    },
    close: async () => {
      await end('SIGKILL')
      await database.drop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
