/** From the environment to a running backend. */
import {
  type BackendConfig,
  budgetDefaults,
  costAt,
  type Environment,
  engineSettings,
  type LoadedBackend,
  loadBackend,
  logSettings,
} from '@tutti/config'
import { TuttiError } from '@tutti/contracts'
import { type Blueprint, createEngine, type Engine, type Store } from '@tutti/engine'
import { urlFault } from '@tutti/network'
import { ObjectStoreError } from '@tutti/objects'
import { isStoreAway, offloading, openStore } from '@tutti/stores'
import {
  createLogger,
  createOutage,
  createStartWait,
  type Logger,
  logStatements,
  type Outage,
  type StartWait,
  type WatchedPool,
} from '@tutti/telemetry'
import {
  agentRunBlueprint,
  createDatabase,
  createEmbeddingModel,
  createTitleModel,
  createWorkbench,
  type Embeddings,
  migrate,
  type SessionTitleDeps,
  sessionTitleBlueprint,
  type WebhookOptions,
} from '@tutti/workbench'
import { createBackend } from './app.ts'
import { createRequestLinks, linkOrNull } from './links/request-link.ts'
import { openBucket, openObjects } from './open-objects.ts'
import type { GivenSettings } from './settings.ts'

export interface RunningBackend {
  port: number
  log: Logger
  /** Answers what is under way, and lets go of store and database. */
  stop(): Promise<void>
}

/** What is brought along where several servers run in one process. */
export interface SharedParts {
  /** Used instead of one of the backend's own, and not closed. */
  store?: Store
  /** Whether a start waits for a database or a bucket that is away, as START_WAIT_SECONDS says: a person who starts it is told at once. */
  waits?: boolean
  /** Beside `agent_run`. Jobs of others go on at an instance that has their blueprint. */
  blueprints?: readonly Blueprint[]
}

/** @throws ConfigError with every fault; nothing was started then */
export const startBackend = async (env: Environment, shared: SharedParts = {}): Promise<RunningBackend> => {
  const loaded = loadBackend(env, { ownStore: shared.store === undefined })
  const { config, warnings } = loaded
  const settings = backendSettings(config, env)
  const probes: (() => Promise<unknown>)[] = []
  const outage = createOutage({
    ...{ part: 'the store', isAway: isRefused, probe: () => Promise.all(probes.map((ask) => ask())) },
    log: createLogger({ name: 'backend', ...logSettings(config) }),
  })
  const { log } = outage
  for (const { what, remedy } of warnings) log.warn(`${what}. ${remedy}`)

  const wait = createStartWait({
    ...{ service: 'tutti-backend', host: config.host, port: config.port, isAway, log },
    seconds: shared.waits === true ? config.startWaitSeconds : 0,
  })
  // Stopped in the opposite order, also when a later step fails.
  const stops: (() => Promise<void>)[] = [async () => outage.stop(), wait.end]
  const stop = async (): Promise<void> => {
    for (const each of stops.splice(0).reverse()) await each()
  }
  try {
    const onError = outage.tellLost('a connection to the database was lost')
    const watch = statementWatch(config, log)
    const database = createDatabase({ connectionString: config.databaseUrl, onError, ...watch })
    stops.push(database.close)
    probes.push(() => database.query('select 1'))
    await wait.until('PostgreSQL', () => migrated(config.databaseUrl, watch))
    const objects = await openObjects(loaded, stops, wait)
    const budgets = { timeZone: config.tz, defaults: budgetDefaults(config) }
    const titles = titleBlueprints(loaded, { database, budgets, log })
    const { engine, store } = await startEngine(
      loaded,
      { ...shared, blueprints: [...titles, ...(shared.blueprints ?? [])] },
      { outage, log, stops, wait },
    )
    probes.push(() => store.worker('probe'))
    const { models } = loaded
    const workbench = createWorkbench({
      ...{ database, engine, store, log, ownerOf: () => config.singleUserId, objects },
      budgets,
      webhooks: webhookOptions(config, settings),
      offersModel: (model) => models.allowed(model) && models.providerOf(model) !== undefined,
      headStartMs: config.sessionHeadStartMs,
      ...embeddingsOf(loaded),
      secretKeys: { current: config.secretKey, previous: [config.secretKeyPrevious].filter((key) => key !== '') },
    })
    stops.push(workbench.stop)
    await workbench.start()
    const backend = createBackend({ workbench, objects, models, config: settings, log })
    stops.push(backend.close)
    await wait.end()
    const port = await backend.listen(config.port)
    log.info({ host: config.host, port }, 'the backend listens')
    return { port, log, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** What another attempt may cure, after nobody has changed anything here. */
const isAway = (error: unknown): boolean => (error instanceof ObjectStoreError ? error.retryable : isStoreAway(error))

/**
 * A refusal of PostgreSQL or Redis: it has its cause. Object storage is away by itself (and a full disk of it has none), and a lost
 * connection alone refuses nobody.
 */
const isRefused = (error: unknown): boolean =>
  error instanceof TuttiError &&
  error.code === 'STORE_UNAVAILABLE' &&
  error.cause !== undefined &&
  !(error.cause instanceof ObjectStoreError)

/** On a connection of its own, because a new version may have to rewrite a large table. */
const migrated = async (connectionString: string, watch: object): Promise<void> => {
  const database = createDatabase({ connectionString, connections: 1, statementMs: 0, ...watch })
  try {
    await migrate(database)
  } finally {
    await database.close()
  }
}

interface Surroundings {
  outage: Outage
  log: Logger
  stops: (() => Promise<void>)[]
  wait: StartWait
}

const startEngine = async (
  loaded: LoadedBackend,
  shared: SharedParts,
  { outage, log, stops, wait }: Surroundings,
): Promise<{ engine: Engine; store: Store }> => {
  const { config } = loaded
  const onError = (err: unknown): void => log.error({ err }, 'the engine met an error, and goes on')
  const store = await withPayloads(
    await openJobs(loaded, shared, { outage, log, stops, wait }),
    loaded,
    { stops, wait },
    onError,
  )
  const engine = createEngine({
    store,
    blueprints: withAgentRun(shared.blueprints ?? []),
    settings: engineSettings(config),
    onError,
  })
  engine.start()
  stops.push(() => engine.stop())
  return { engine, store }
}

const openJobs = async (
  { config, storage }: LoadedBackend,
  shared: SharedParts,
  { outage, log, stops, wait }: Surroundings,
): Promise<Store> => {
  if (shared.store) return shared.store
  const opened =
    storage &&
    (await wait.until(storage.kind === 'redis' ? 'Redis' : 'PostgreSQL', () =>
      openStore(storage, {
        ...statementWatch(config, log),
        instance: config.instanceId,
        onWarning: (text) => log.warn(text),
        onError: outage.tellLost('a connection to the store was lost'),
      }),
    ))
  if (!opened) throw new Error('the configuration chose no store')
  stops.push(() => opened.close())
  return opened
}

/** As the orchestrator does: without it an agent would be given the address of its long prompt for the prompt. */
const withPayloads = async (
  store: Store,
  { config, payloads: s3 }: LoadedBackend,
  { stops, wait }: Pick<Surroundings, 'stops' | 'wait'>,
  onError: (error: unknown) => void,
): Promise<Store> => {
  if (!s3) return store
  const payloads = await openBucket(s3, 'S3_ENDPOINT_URL', stops, wait)
  return offloading(store, {
    payloads,
    thresholdBytes: config.payloadOffloadBytes || Number.POSITIVE_INFINITY,
    onError,
  })
}

/** Without a key none is made; what other instances have begun stays theirs. */
const titleBlueprints = (
  { config, models }: LoadedBackend,
  deps: Pick<SessionTitleDeps, 'database' | 'budgets' | 'log'>,
): Blueprint[] => {
  const { openaiApiKey: apiKey, openaiBaseUrl: baseUrl, openaiDefaultModel: model } = config
  if (apiKey === '') return []
  const titles = createTitleModel({ baseUrl, apiKey, model })
  return [sessionTitleBlueprint({ ...deps, titles, costOf: costOf(models, model) })]
}

/** A server of one's own gets the key that is meant for it, and never the other provider's. */
const embeddingsOf = ({ config, models }: LoadedBackend): { embeddings?: Embeddings } => {
  const { memoryEmbeddingModel: model, memoryEmbeddingBaseUrl, memoryEmbeddingApiKey } = config
  if (model === '') return {}
  const endpoint =
    memoryEmbeddingBaseUrl === ''
      ? { baseUrl: config.openaiBaseUrl, apiKey: config.openaiApiKey }
      : { baseUrl: memoryEmbeddingBaseUrl, apiKey: memoryEmbeddingApiKey }
  return { embeddings: { model: createEmbeddingModel({ ...endpoint, model }), costOf: costOf(models, model) } }
}

const costOf = (models: LoadedBackend['models'], model: string): SessionTitleDeps['costOf'] => {
  const price = models.priceOf(model)
  return (usage) => (price === undefined ? null : costAt(price, usage))
}

const statementWatch = ({ logSql }: BackendConfig, log: Logger) =>
  logSql ? { watch: (pool: WatchedPool) => logStatements(pool, log) } : {}

const withAgentRun = (given: readonly Blueprint[]): Blueprint[] => [
  agentRunBlueprint,
  ...given.filter(({ name }) => name !== agentRunBlueprint.name),
]

/** The orchestrator sends them, over the same Store, and looks once more at where they lead. */
const webhookOptions = (config: BackendConfig, settings: GivenSettings): WebhookOptions => {
  const given = { links: settings.links ?? null }
  const links = createRequestLinks(given)
  return {
    url: config.webhookUrl || null,
    faultOf: (url) => urlFault(url, config.webhookAllowPrivate),
    linkTo: (userId, request) => links && linkOrNull(given, links, userId, request),
  }
}

const backendSettings = (config: BackendConfig, env: Environment): GivenSettings => ({
  host: config.host,
  userId: config.singleUserId,
  accessLog: config.uvicornAccessLog,
  publicApiUrl: config.nextPublicApiUrl || null,
  publicWsUrl: config.nextPublicWsUrl || null,
  // The variable's default leads to this machine alone: a link to it would be of no use to anybody else.
  links: env.BACKEND_PUBLIC_URL ? { publicUrl: config.backendPublicUrl, secret: config.secretKey } : null,
  clientToken: config.clientToken === '' ? null : config.clientToken,
  internalToken: config.internalApiToken,
  corsOrigins: config.corsOrigins,
  managerUrl: config.executorManagerUrl,
  presignSeconds: config.s3PresignExpires,
  maxUploadBytes: config.maxUploadSizeMb * 1_000_000,
})
