/** From the environment to a running orchestrator. */
import {
  ConfigError,
  clientDirectory,
  createReloader,
  type Environment,
  engineSettings,
  formatFaults,
  type OrchestratorConfig,
  type Reloader,
  type ScheduleEntry,
  type StorageChoice,
  workerDirectory,
} from '@tutti/config'
import { type Blueprint, BlueprintError, createEngine, type Store } from '@tutti/engine'
import { createMemoryStore, createPostgresStore } from '@tutti/stores'
import { createLogger, type Logger } from '@tutti/telemetry'
import { createOrchestrator } from './app.ts'
import { blueprintFaults, readConfiguration } from './read-configuration.ts'
import type { WorkerRates } from './worker-api/rates.ts'

export interface RunningOrchestrator {
  port: number
  log: Logger
  /** Reads all files of the configuration again; what is wrong with one is logged, and changes nothing. */
  reload(): Promise<void>
  /** Answers what is under way, lets handlers finish, and lets go of the store. */
  stop(): Promise<void>
}

/** What is brought along where several servers run in one process. */
export interface SharedParts {
  /** Used instead of the one that the environment asks for, and not closed. */
  store?: Store
  /** Beside those of BLUEPRINTS_DIR. */
  blueprints?: readonly Blueprint[]
}

/** @throws ConfigError with every fault of variables, files and blueprints; nothing was started then */
export const startOrchestrator = async (env: Environment, shared: SharedParts = {}): Promise<RunningOrchestrator> => {
  const { store: given } = shared
  const { config, storage, clients, workers, schedules, tls, warnings, blueprints } = await readConfiguration(env, {
    ownStore: given === undefined,
    blueprints: shared.blueprints ?? [],
  })
  const log = createLogger({
    name: 'orchestrator',
    level: config.logLevel,
    format: config.logFormat,
    timeZone: config.tz,
  })
  for (const { source, line, what, remedy } of warnings)
    log.warn({ source, ...(line === undefined ? {} : { line }) }, `${what}. ${remedy}`)

  const store = given ?? (await openStore(storage, log))
  const engine = createEngine({
    store,
    blueprints,
    settings: engineSettings(config),
    onError: (error) => log.error({ err: error }, 'the engine met an error, and goes on'),
  })
  const takeSchedules = async (list: readonly ScheduleEntry[]): Promise<void> => {
    log.info({ schedules: list.map(({ id }) => id) }, 'schedules read')
  }
  const directories = {
    clients: clientDirectory({ clients, fallbackToken: config.clientToken }),
    workers: workerDirectory({
      workers,
      globalToken: config.globalWorkerToken,
      keepSecrets: config.workerSignatures !== 'off',
    }),
  }
  const reloader = createReloader({
    settings: config,
    clients,
    directories,
    blueprints: () => engine.blueprints.names(),
    onSchedules: takeSchedules,
  })
  const server = createOrchestrator({
    engine,
    ...directories,
    secretOf: directories.workers.secretOf,
    records: store,
    log,
    reloader,
    ...(tls === null ? {} : { tls }),
    settings: {
      pollWaitMs: config.workerPollTimeoutSeconds * 1000,
      timeZone: config.tz,
      enableClientApi: config.enableClientApi,
      clientApiPrefix: config.clientApiPrefix,
      reloadWithAnyClient: config.reloadWithAnyClient,
      workerAuthMode: config.workerAuthMode,
      workerSignatures: config.workerSignatures,
      workerRates: workerRates(config),
    },
  })
  const stop = async (): Promise<void> => {
    await server.close()
    await engine.stop()
    if (!given) await store.close()
  }
  try {
    if (schedules) await takeSchedules(schedules.schedules)
    const port = await server.listen({ host: config.apiHost, port: config.apiPort })
    engine.start()
    log.info({ host: config.apiHost, port, blueprints: engine.blueprints.names() }, 'the orchestrator listens')
    return { port, log, reload: () => reloadAll(reloader, log), stop }
  } catch (error) {
    await stop()
    // Endpoints are known to clash only when the routes are made.
    throw error instanceof BlueprintError ? new ConfigError(blueprintFaults(error)) : error
  }
}

const openStore = async (choice: StorageChoice | null, log: Logger): Promise<Store> => {
  switch (choice?.kind) {
    case 'memory':
      return createMemoryStore()
    case 'postgres':
      return createPostgresStore({
        connectionString: choice.connectionString,
        onError: (error) => log.warn({ err: error }, 'a connection to the database was lost'),
      })
    default:
      throw new ConfigError([
        {
          source: 'environment',
          variable: 'STORAGE',
          what: 'Redis keeps no jobs yet',
          remedy: 'Set STORAGE=postgres.',
        },
      ])
  }
}

const reloadAll = async (reloader: Reloader, log: Logger): Promise<void> => {
  for (const [file, outcome] of Object.entries(await reloader.reloadAll())) {
    if (outcome.status === 'reloaded') log.info({ file, entries: outcome.entries }, 'configuration reloaded')
    if (outcome.status === 'refused')
      log.error({ file }, `${file} not reloaded, what was before holds on:\n${formatFaults(outcome.faults)}`)
  }
}

const workerRates = (config: OrchestratorConfig): WorkerRates | null =>
  config.rateLimitingEnabled
    ? {
        periodMs: config.rateLimitPeriod * 1000,
        poll: config.rateLimitPollLimit,
        heartbeat: config.rateLimitHeartbeatLimit,
        registration: config.rateLimitLimit,
        event: config.rateLimitLimit,
      }
    : null
