/** A whole orchestrator in the test's own process: the real engine over the memory Store, behind a real socket. */
import { type Client, clientDirectory, createReloader, hashToken, type Reloader, workerDirectory } from '@tutti/config'
import {
  type Blueprint,
  createEngine,
  createScheduler,
  type Engine,
  type EngineSettings,
  type Store,
  webhookKind,
} from '@tutti/engine'
import { createMemoryStore } from '@tutti/stores'
import { createMetrics, silentLogger } from '@tutti/telemetry'
import { onTestFinished } from 'vitest'
import { createApprovalLinks } from '../../src/approvals/link.ts'
import { withApprovalLinks } from '../../src/approvals/webhook.ts'
import { createOrchestrator, type Orchestrator, type OrchestratorDeps } from '../../src/index.ts'
import { followRegisteredBlueprints } from '../../src/start/registered-blueprints.ts'
import { createWebhookSecrets } from '../../src/webhooks/secrets.ts'
import { createWebhookSender } from '../../src/webhooks/sender.ts'
import { blueprints } from './blueprints.ts'

export const tokens = { anna: 'token-of-anna', otto: 'token-of-otto', olga: 'token-of-olga', hand: 'token-of-hand-1' }
export const globalWorkerToken = 'token-of-every-hand'

const client = (id: string, token: string, role: 'client' | 'operator') => ({
  id,
  tokenHash: hashToken(token),
  plan: null,
  role,
  monthlyAttempts: null,
  rateLimit: null,
  webhookUrl: null,
  params: {},
})

export interface TestServer extends Orchestrator {
  engine: Engine
  store: Store
  port: number
  url: string
  /** A request in a client's name, anna's unless told otherwise. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  /** A request with the global worker token. */
  work(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  /** Registers a worker. */
  worker(id: string, skills?: string[]): Promise<void>
}

interface Answer {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  body: any
}

export interface TestOptions {
  blueprints?: Blueprint[]
  /** Puts something between the server and the engine. */
  engine?: (engine: Engine) => Engine
  engineSettings?: Partial<EngineSettings>
  settings?: OrchestratorDeps['settings']
  reloader?: Partial<Reloader>
  log?: OrchestratorDeps['log']
  /** Further parts of the server. */
  parts?: Partial<OrchestratorDeps>
  files?: OrchestratorDeps['files']
  /** What is different about a client. */
  clients?: { [id in 'anna' | 'otto' | 'olga']?: Partial<Client> }
  /** Absent: a new one in memory. It is closed with the server either way. */
  store?: Store
}

const nothingToReload = createReloader({
  settings: {},
  clients: null,
  directories: { clients: clientDirectory({ clients: null }), workers: workerDirectory({ workers: null }) },
  blueprints: () => [],
  onSchedules: () => {},
})

export const startServer = async (options: TestOptions = {}): Promise<TestServer> => {
  const store = options.store ?? createMemoryStore()
  const engine = createEngine({
    store,
    blueprints: options.blueprints ?? blueprints,
    settings: options.engineSettings ?? {},
  })
  const signingKey = Buffer.alloc(32, 1)
  const approvalLinks = createApprovalLinks(signingKey)
  const webhookSecrets = createWebhookSecrets({ store, signingKey })
  const log = options.log ?? silentLogger
  const scheduler = createScheduler({ engine, store, timeZone: 'UTC', jobDefaults: () => ({}), onError: () => {} })
  scheduler.start()
  engine.onDue(
    webhookKind,
    createWebhookSender({
      secrets: webhookSecrets,
      options: { timeoutMs: 5_000, allowPrivate: true },
      complete: withApprovalLinks(approvalLinks, 'http://tutti.test'),
      log,
    }),
  )
  const registered = await followRegisteredBlueprints({ store, blueprints: engine.blueprints, log })
  const server = createOrchestrator({
    engine: options.engine?.(engine) ?? engine,
    store,
    scheduler,
    registered,
    webhookSecrets,
    approvalLinks,
    metrics: createMetrics(),
    clients: clientDirectory({
      clients: [
        { ...client('anna', tokens.anna, 'client'), ...options.clients?.anna },
        { ...client('otto', tokens.otto, 'client'), ...options.clients?.otto },
        { ...client('olga', tokens.olga, 'operator'), ...options.clients?.olga },
      ],
    }),
    workers: workerDirectory({
      workers: [{ id: 'hand-1', tokenHash: hashToken(tokens.hand), secret: null, description: '' }],
      globalToken: globalWorkerToken,
    }),
    log,
    reloader: { ...nothingToReload, ...options.reloader },
    ...(options.settings ? { settings: options.settings } : {}),
    ...(options.files ? { files: options.files } : {}),
    ...options.parts,
  })
  const port = await server.listen({ host: '127.0.0.1', port: 0 })
  engine.start()
  onTestFinished(async () => {
    await server.close()
    await registered.stop()
    await engine.stop()
    await store.close()
  })
  const url = `${options.parts?.tls ? 'https' : 'http'}://127.0.0.1:${port}`

  const send = async (
    method: string,
    path: string,
    body: unknown,
    headers: Record<string, string>,
  ): Promise<Answer> => {
    const response = await fetch(url + path, {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.includes('json')
    return { status: response.status, headers: response.headers, body: isJson && text ? JSON.parse(text) : text }
  }
  const work: TestServer['work'] = (method, path, body, headers = {}) =>
    send(method, `/_worker${path}`, body, { 'x-worker-token': globalWorkerToken, ...headers })

  return {
    ...server,
    engine,
    store,
    port,
    url,
    call: (method, path, body, headers = {}) =>
      send(method, path, body, { 'x-avtomatika-token': tokens.anna, ...headers }),
    work,
    worker: async (id, skills = ['picture.shrink']) => {
      await work('POST', '/workers/register', { worker_id: id, supported_skills: skills })
    },
  }
}

/** Creates a job whose one task waits for a worker. */
export const createShrink = async (server: TestServer): Promise<string> => {
  const { body } = await server.call('POST', '/api/v1/jobs', {
    blueprint: 'shrink',
    input: { url: 'https://example.org/a.png' },
  })
  return body.job_id
}

/** Calls until the answer is there; for what happens after a connection was cut, of which nobody is told. */
export const until = async <T>(look: () => Promise<T | undefined | false>): Promise<T> => {
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    await new Promise((resolve) => setImmediate(resolve))
  }
}
