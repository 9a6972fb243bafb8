/** An orchestrator with the two clients of the older tests, and one that operates. Below `/api`, as older clients know it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startOrchestrator } from '@tutti/orchestrator'
import { onTestFinished } from 'vitest'
import type { Answer } from './server.ts'

export const vip = 'user_token_vip'
export const regular = 'user_token_regular'
export const operator = 'operator_token_of_the_wire'
export const workerToken = 'secure-worker-token-0123456789'

const clients = `
[vip]
token = "${vip}"
plan = "premium"
monthly_attempts = 500
languages = ["en", "fr"]

[regular]
token = "${regular}"
plan = "basic"
monthly_attempts = 50
params = { languages = ["en"] }

[operator]
token = "${operator}"
role = "operator"
`

export interface ClientWire {
  url: string
  folder: string
  /** As it is, from the root. */
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  /** In vip's name, with the header of the oldest clients. */
  vip(method: string, path: string, body?: unknown): Promise<Answer>
  regular(method: string, path: string, body?: unknown): Promise<Answer>
  /** Creates a job of vip and answers its id. */
  job(blueprint: string, input?: object): Promise<string>
  stop(): Promise<void>
}

export const openClients = async (env: Record<string, string> = {}, sections = clients): Promise<ClientWire> => {
  const folder = await mkdtemp(join(tmpdir(), 'wire-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'clients.toml'), sections)
  const server = await startOrchestrator({
    STORAGE: process.env.DATABASE_URL ? '' : 'memory',
    DATABASE_URL: process.env.DATABASE_URL,
    API_HOST: '127.0.0.1',
    API_PORT: '0',
    CLIENTS_CONFIG_PATH: join(folder, 'clients.toml'),
    GLOBAL_WORKER_TOKEN: workerToken,
    WORKER_POLL_TIMEOUT_SECONDS: '1',
    BLUEPRINTS_DIR: join(import.meta.dirname, '..', 'blueprints'),
    TASK_FILES_DIR: join(folder, 'files'),
    LOG_LEVEL: 'ERROR',
    ...env,
  })
  onTestFinished(server.stop)
  const url = `http://127.0.0.1:${server.port}`
  const send: ClientWire['send'] = async (method, path, body, headers = {}) => {
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
    const response = await fetch(url + path, {
      method,
      redirect: 'manual',
      headers: { ...(text === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(text === undefined ? {} : { body: text }),
    })
    const said = await response.text()
    const isJson = response.headers.get('content-type')?.includes('json')
    return { status: response.status, headers: response.headers, body: isJson && said ? JSON.parse(said) : said }
  }
  const as = (token: string) => (method: string, path: string, body?: unknown) =>
    send(method, path, body, { 'x-avtomatika-token': token })
  return {
    url,
    folder,
    send,
    vip: as(vip),
    regular: as(regular),
    job: async (blueprint, input = {}) => {
      const { body } = await as(vip)('POST', '/api/v1/jobs', { blueprint, input })
      return body.job_id
    },
    stop: server.stop,
  }
}
