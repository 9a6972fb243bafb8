/**
 * All servers of Tutti on one machine, in order: data directory, database, Redis if jobs are kept there, model, orchestrator, backend, manager. One
 * process holds them all, or with `split` each gets its own and is started again when it dies.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from '@tutti/telemetry'
import { startChild } from './child.ts'
import { openDataDir, type Secrets } from './data-dir.ts'
import { chooseModel } from './model.ts'
import { choosePorts } from './ports.ts'
import type { Environment, RunningServer } from './process.ts'

export interface StackOptions {
  dataDir: string
  host: string
  /** 0 takes any that is free. */
  ports: { api: number; backend: number; manager: number }
  split: boolean
  storage: 'postgres' | 'memory' | 'redis'
  sandbox: 'bubblewrap' | 'docker' | 'none'
  blueprintsDir: string | null
  stagingRoots: string[]
  env: Environment
  log: Logger
  /** Told to stop before everything is up, the start ends, and with it what was started. */
  signal?: AbortSignal
}

export interface Stack {
  apiUrl: string
  backendUrl: string
  /** As they are in use: a token that the environment sets comes before the directory's own. */
  secrets: Secrets
  /** As shown to people. */
  model: string
  storage: string
  servers: RunningServer[]
  /** Drains, then closes, in the opposite order of the start. */
  stop(): Promise<void>
}

/** @throws DataDirError, PortError, BuiltInPostgresError, BuiltInRedisError, the signal's reason or what a server says: then nothing is left running */
export const startStack = async (options: StackOptions): Promise<Stack> => {
  const { host, log, split, signal } = options
  const closers: (() => Promise<void>)[] = []
  const stop = async (): Promise<void> => {
    for (const close of closers.splice(0).reverse())
      await close().catch((error: unknown) => log.error({ err: error }, 'something did not stop cleanly'))
  }
  try {
    const data = await openDataDir(options.dataDir)
    closers.push(data.release)
    const secrets = {
      ...data.secrets,
      clientToken: options.env.CLIENT_TOKEN || data.secrets.clientToken,
      workerToken: options.env.GLOBAL_WORKER_TOKEN || data.secrets.workerToken,
      secretKey: options.env.SECRET_KEY || data.secrets.secretKey,
    }
    const ports = await portsOf(options)
    const apiUrl = `http://${inUrl(host)}:${ports.api}`
    const backendUrl = `http://${inUrl(host)}:${ports.backend}`
    const managerUrl = `http://127.0.0.1:${ports.manager}`

    const database = await openDatabase(options, data.path)
    closers.push(database.stop)
    const redis = options.storage === 'redis' ? await openRedis(options, data.path) : null
    if (redis) closers.push(redis.stop)
    signal?.throwIfAborted()
    const model = await chooseModel(options.env)
    closers.push(model.stop)
    const workspaces = join(data.path, 'workspaces')
    const objects = join(data.path, 'objects')
    await mkdir(workspaces, { recursive: true })
    const taskFiles = options.env.TASK_FILES_DIR || join(data.path, 'task-files')
    await mkdir(objects, { recursive: true })
    await mkdir(taskFiles, { recursive: true })

    const shared: Environment = {
      LOG_FORMAT: 'text',
      ...options.env,
      DATABASE_URL: database.url,
      // Said outright: orchestrator and backend must share the one store, whatever else the environment names.
      STORAGE: options.storage,
      ...redis?.env,
      INTERNAL_API_TOKEN: secrets.internalToken,
      CLIENT_TOKEN: secrets.clientToken,
      OBJECTS_DIR: objects,
    }
    const environments = {
      orchestrator: {
        ...shared,
        API_HOST: host,
        API_PORT: String(ports.api),
        PUBLIC_URL: options.env.PUBLIC_URL || `http://${reachable(host)}:${ports.api}`,
        TASK_FILES_DIR: taskFiles,
        GLOBAL_WORKER_TOKEN: secrets.workerToken,
        ...(options.blueprintsDir === null ? {} : { BLUEPRINTS_DIR: options.blueprintsDir }),
      },
      backend: {
        ...shared,
        // It tells users which models there are, and refuses messages that name another.
        ...model.env,
        HOST: host,
        PORT: String(ports.backend),
        BACKEND_PUBLIC_URL: options.env.BACKEND_PUBLIC_URL || backendUrl,
        SECRET_KEY: secrets.secretKey,
        // Both are instances on the one store.
        ...(options.env.INSTANCE_ID ? { INSTANCE_ID: `${options.env.INSTANCE_ID}-backend` } : {}),
      },
      'executor-manager': {
        ...shared,
        ...model.env,
        MANAGER_HOST: '127.0.0.1',
        MANAGER_PORT: String(ports.manager),
        BACKEND_URL: backendUrl,
        WORKSPACE_ROOT: workspaces,
        SANDBOX: options.sandbox,
        STAGING_ROOTS: options.stagingRoots.join(':'),
        WORKER_ID: options.env.WORKER_ID || 'manager',
      },
    }
    const health = {
      orchestrator: `${apiUrl}/_public/health`,
      backend: `${backendUrl}/health`,
      'executor-manager': `${managerUrl}/health`,
    }

    const servers: RunningServer[] = []
    const announce = (): Promise<void> =>
      data.announce({
        pid: process.pid,
        apiUrl,
        backendUrl,
        clientToken: secrets.clientToken,
        processes: Object.fromEntries(servers.map((server) => [server.name, server.pid()])),
      })
    if (split) {
      for (const name of ['orchestrator', 'backend', 'executor-manager'] as const) {
        const server = await startChild({
          name,
          env: environments[name],
          log,
          signal,
          ready: () => answers(health[name]),
          onRestart: () => void announce().catch(() => {}),
        })
        servers.push(server)
        closers.push(server.stop)
      }
    } else {
      // Loaded when asked for: no other command needs any of the servers.
      const { startInProcess } = await import('./in-process.ts')
      const started = await startInProcess(environments, options.storage, (server) => {
        closers.push(server.stop)
        signal?.throwIfAborted()
      })
      servers.push(...started)
    }
    await announce()
    return {
      apiUrl,
      backendUrl,
      secrets,
      model: model.label,
      storage: options.storage === 'memory' ? 'memory' : (redis ?? database).label,
      servers,
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

const answers = (url: string): Promise<boolean> =>
  fetch(url).then(
    (response) => response.ok,
    () => false,
  )

/** An IPv6 address stands in brackets. */
const inUrl = (host: string): string => (host.includes(':') ? `[${host}]` : host)

/** Listening on all addresses is no address to go to. */
const reachable = (host: string): string => (host === '0.0.0.0' || host === '::' ? 'localhost' : inUrl(host))

const portsOf = async ({ host, ports }: StackOptions): Promise<StackOptions['ports']> => {
  const [api = 0, backend = 0, manager = 0] = await choosePorts([
    { host, port: ports.api, use: 'orchestrator', option: '--api-port' },
    { host, port: ports.backend, use: 'backend', option: '--port' },
    { host: '127.0.0.1', port: ports.manager, use: 'executor manager', option: '--manager-port' },
  ])
  return { api, backend, manager }
}

interface Database {
  url: string
  label: string
  stop(): Promise<void>
}

const openDatabase = async ({ env }: StackOptions, dataDir: string): Promise<Database> => {
  if (env.DATABASE_URL) return { url: env.DATABASE_URL, label: 'postgres (DATABASE_URL)', stop: async () => {} }
  const { startBuiltInPostgres } = await import('@tutti/stores/built-in-postgres')
  const postgres = await startBuiltInPostgres({ dataDir: join(dataDir, 'postgres') })
  return { url: postgres.connectionString, label: 'postgres (built in)', stop: postgres.stop }
}

interface RedisInUse {
  /** What servers are told of it. */
  env: Environment
  label: string
  stop(): Promise<void>
}

const openRedis = async ({ env }: StackOptions, dataDir: string): Promise<RedisInUse> => {
  if (env.REDIS_HOST) return { env: {}, label: 'redis (REDIS_HOST)', stop: async () => {} }
  if (env.REDIS_URL) return { env: {}, label: 'redis (REDIS_URL)', stop: async () => {} }
  const { startBuiltInRedis } = await import('@tutti/stores/built-in-redis')
  const redis = await startBuiltInRedis({ dataDir: join(dataDir, 'redis') })
  return { env: { REDIS_URL: redis.url }, label: 'redis (built in)', stop: redis.stop }
}
