/**
 * Any orchestrator, seen from outside. Without more, the tests start one of their own. To hold another server to the same, load it
 * with the blueprints of `test/wire/blueprints`, let it answer polls after a second (WORKER_POLL_TIMEOUT_SECONDS=1), and name it:
 *
 *   TUTTI_WIRE_URL=https://jobs.example.com
 *   TUTTI_WIRE_CLIENT_TOKEN=…   a client
 *   TUTTI_WIRE_WORKER_TOKEN=…   the global token of workers
 *   TUTTI_WIRE_OWN_WORKER=…     ID:TOKEN, a worker with a token of its own
 *
 * Every test makes up its own skills and worker ids, so that it finds nothing of others, and leaves nothing that disturbs them.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startOrchestrator } from '@tutti/orchestrator'
import { onTestFinished } from 'vitest'

export interface Answer {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  body: any
}

type Send = (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Answer>

export interface Wire {
  url: string
  /** A request of a client, below /api/v1. */
  client: Send
  /** A request of a worker, below /_worker, with the global token. A text is sent as it is. */
  worker: Send
  /** A worker that has a token of its own. */
  own: { id: string; token: string }
  globalToken: string
}

export const openWire = async (): Promise<Wire> => {
  const { url, clientToken, workerToken, own } = named() ?? (await started())
  const [id = '', token = ''] = own.split(':')
  return {
    url,
    client: sender(`${url}/api/v1`, { 'x-client-token': clientToken }),
    worker: sender(`${url}/_worker`, { 'x-worker-token': workerToken }),
    own: { id, token },
    globalToken: workerToken,
  }
}

const named = () => {
  const { TUTTI_WIRE_URL: url, TUTTI_WIRE_CLIENT_TOKEN, TUTTI_WIRE_WORKER_TOKEN, TUTTI_WIRE_OWN_WORKER } = process.env
  if (!url) return undefined
  if (!TUTTI_WIRE_CLIENT_TOKEN || !TUTTI_WIRE_WORKER_TOKEN || !TUTTI_WIRE_OWN_WORKER)
    throw new Error('with TUTTI_WIRE_URL the tests need TUTTI_WIRE_CLIENT_TOKEN, _WORKER_TOKEN and _OWN_WORKER')
  return {
    url: url.replace(/\/+$/, ''),
    clientToken: TUTTI_WIRE_CLIENT_TOKEN,
    workerToken: TUTTI_WIRE_WORKER_TOKEN,
    own: TUTTI_WIRE_OWN_WORKER,
  }
}

const started = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'wire-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const workers = join(folder, 'workers.toml')
  const ownToken = 'token-of-the-one-with-its-own-0123456789'
  await writeFile(workers, `[with-its-own]\ntoken = "${ownToken}"\n`)
  const clientToken = 'client-token-of-the-wire-0123456789'
  const workerToken = 'worker-token-of-the-wire-0123456789'
  const server = await startOrchestrator({
    STORAGE: process.env.DATABASE_URL ? '' : 'memory',
    DATABASE_URL: process.env.DATABASE_URL,
    API_HOST: '127.0.0.1',
    API_PORT: '0',
    CLIENT_TOKEN: clientToken,
    GLOBAL_WORKER_TOKEN: workerToken,
    WORKERS_CONFIG_PATH: workers,
    WORKER_POLL_TIMEOUT_SECONDS: '1',
    BLUEPRINTS_DIR: join(import.meta.dirname, '..', 'blueprints'),
    LOG_LEVEL: 'ERROR',
  })
  onTestFinished(server.stop)
  return { url: `http://127.0.0.1:${server.port}`, clientToken, workerToken, own: `with-its-own:${ownToken}` }
}

const sender =
  (base: string, always: Record<string, string>): Send =>
  async (method, path, body, headers = {}) => {
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
    const response = await fetch(base + path, {
      method,
      headers: { ...(text === undefined ? {} : { 'content-type': 'application/json' }), ...always, ...headers },
      ...(text === undefined ? {} : { body: text }),
    })
    const said = await response.text()
    const isJson = response.headers.get('content-type')?.includes('json')
    return { status: response.status, headers: response.headers, body: isJson && said ? JSON.parse(said) : said }
  }
