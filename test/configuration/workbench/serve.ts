/** A whole backend over a real PostgreSQL, told everything by its environment, and what callers see of it. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { startBackend } from '@tutti/backend'
import { type TestDatabase, testDatabase } from '@tutti/stores/testing'
import { onTestFinished } from 'vitest'
import { freePort } from '../jobs.ts'
import { type Answer, caller, until } from '../server.ts'
import { shared } from '../shared.ts'

const database = shared(testDatabase, (opened: TestDatabase) => opened.drop())

/** Long enough for every mode. */
export const internalToken = 'internal-token-of-the-tests-0123456789'

export const backendEnvironment = async (env: Record<string, string> = {}): Promise<Record<string, string>> => ({
  HOST: '127.0.0.1',
  PORT: '0',
  DATABASE_URL: (await database()).connectionString,
  INTERNAL_API_TOKEN: internalToken,
  SECRET_KEY: 'secret-key-of-the-tests-0123456789abcdef',
  OBJECTS_DIR: env.OBJECTS_DIR ?? folder(),
  LOG_LEVEL: 'ERROR',
  ...env,
})

/** A folder of its own, gone after the test. */
export const folder = (): string => {
  const path = mkdtempSync(join(tmpdir(), 'tutti-workbench-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

export interface WorkbenchServer extends Omit<ReturnType<typeof caller>, 'post'> {
  port: number
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Answer>
  /** As the executor manager. */
  manage(path: string, body: unknown): Promise<Answer>
  stop(): Promise<void>
}

export const serveBackend = async (env: Record<string, string> = {}): Promise<WorkbenchServer> => {
  const { port, stop } = await startBackend(await backendEnvironment(env))
  let stopped = false
  const once = async (): Promise<void> => {
    if (stopped) return
    stopped = true
    await stop()
  }
  onTestFinished(once)
  return { port, stop: once, ...api(`http://${env.HOST ?? '127.0.0.1'}:${port}`, env.INTERNAL_API_TOKEN) }
}

export const api = (url: string, token = internalToken): Pick<WorkbenchServer, 'send' | 'get' | 'post' | 'manage'> => {
  const { send, get } = caller(url, {})
  const post: WorkbenchServer['post'] = (path, body, headers = {}) =>
    send('POST', path, body, { 'content-type': 'application/json', ...headers })
  const manage: WorkbenchServer['manage'] = (path, body) =>
    post(`/api/v1/runs${path}`, body, { 'x-internal-token': token })
  return { send, get, post, manage }
}

const main = fileURLToPath(import.meta.resolve('@tutti/backend').replace(/index\.ts$/, 'main.ts'))

/** The process itself. @returns the lines of its log from start to end, as objects */
export const logOf = async (
  env: Record<string, string>,
  use: (server: ReturnType<typeof api>) => Promise<unknown> = async () => undefined,
): Promise<Record<string, unknown>[]> => {
  const PORT = String(await freePort())
  const child = spawn(process.execPath, [main], {
    env: { ...(await backendEnvironment({ LOG_LEVEL: '' })), PORT, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const said = text(child.stdout)
  const server = api(`http://127.0.0.1:${PORT}`)
  await until(async () => (await server.get('/health').catch(() => undefined))?.status === 200)
  await use(server)
  child.kill('SIGTERM')
  return (await said).split('\n').flatMap((line) => (line === '' ? [] : JSON.parse(line)))
}
