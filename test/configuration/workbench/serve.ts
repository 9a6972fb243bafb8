/** A whole backend over a real PostgreSQL, told everything by its environment, and what callers see of it. */
import { text } from 'node:stream/consumers'
import { startBackend } from '@tutti/backend'
import { freePort, type TestDatabase, testDatabase } from '@tutti/stores/testing'
import { type Answer, caller, folder, startProcess, stopOnce, until } from '../server.ts'
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

export interface WorkbenchServer extends Omit<ReturnType<typeof caller>, 'post'> {
  port: number
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Answer>
  /** As the executor manager. */
  manage(path: string, body: unknown): Promise<Answer>
  stop(): Promise<void>
}

export const serveBackend = async (env: Record<string, string> = {}): Promise<WorkbenchServer> => {
  const { port, stop } = await startBackend(await backendEnvironment(env))
  return { port, stop: stopOnce(stop), ...api(`http://${env.HOST ?? '127.0.0.1'}:${port}`, env.INTERNAL_API_TOKEN) }
}

export const api = (url: string, token = internalToken): Pick<WorkbenchServer, 'send' | 'get' | 'post' | 'manage'> => {
  const { send, get } = caller(url, {})
  const post: WorkbenchServer['post'] = (path, body, headers = {}) =>
    send('POST', path, body, { 'content-type': 'application/json', ...headers })
  const manage: WorkbenchServer['manage'] = (path, body) =>
    post(`/api/v1/runs${path}`, body, { 'x-internal-token': token })
  return { send, get, post, manage }
}

/** A run, taken by a manager. */
export const claimOf = async (server: WorkbenchServer, task: object = {}, worker_id = 'm') => {
  const asked = (await server.post('/api/v1/tasks', { prompt: 'hello', ...task })).body.data
  const schedule_modes = 'schedule_mode' in task ? [task.schedule_mode] : ['immediate']
  return until(async () => {
    const claim = { worker_id, boot_id: crypto.randomUUID(), wait_seconds: 5, schedule_modes }
    const { data } = (await server.manage('/claim', claim)).body
    return data?.run_id === asked.run_id ? data : undefined
  })
}

/** The process itself. @returns the lines of its log from start to end, as objects */
export const logOf = async (
  env: Record<string, string>,
  use: (server: ReturnType<typeof api>) => Promise<unknown> = async () => undefined,
): Promise<Record<string, unknown>[]> => {
  const PORT = String(await freePort())
  const child = await startProcess('@tutti/backend', `http://127.0.0.1:${PORT}/health`, {
    ...(await backendEnvironment({ LOG_LEVEL: '' })),
    ...{ PORT, ...env },
  })
  const said = child.stdout ? text(child.stdout) : ''
  const server = api(`http://127.0.0.1:${PORT}`)
  await use(server)
  child.kill('SIGTERM')
  return (await said).split('\n').flatMap((line) => (line === '' ? [] : JSON.parse(line)))
}
