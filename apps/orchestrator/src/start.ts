/** From the environment to a running orchestrator. */
import {
  ConfigError,
  clientDirectory,
  type Environment,
  engineSettings,
  type Fault,
  loadOrchestrator,
  type OrchestratorConfig,
  readWorkers,
  workerDirectory,
} from '@tutti/config'
import { type Blueprint, BlueprintError, createEngine, createRegistry, type Store } from '@tutti/engine'
import { createMemoryStore, createPostgresStore } from '@tutti/stores'
import { createLogger, type Logger } from '@tutti/telemetry'
import { createOrchestrator } from './app.ts'
import { loadBlueprints } from './load-blueprints.ts'
import { watchBlueprints } from './watch-blueprints.ts'

export interface RunningOrchestrator {
  port: number
  log: Logger
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
  const { config, clients, workers: entries, warnings } = loadOrchestrator(env)
  const log = createLogger({
    name: 'orchestrator',
    level: config.logLevel,
    format: config.logFormat,
    timeZone: config.tz,
  })
  for (const { what, remedy } of warnings) log.warn(`${what}. ${remedy}`)
  const given = shared.blueprints ?? []
  const { blueprints: found, faults } = await findBlueprints(config.blueprintsDir, given)
  const { store: shareStore } = shared
  const openStore = shareStore ? async () => shareStore : chooseStore(config, log)
  if (typeof openStore !== 'function') faults.push(openStore)
  if (faults.length > 0 || typeof openStore !== 'function') throw new ConfigError(faults)

  const store = await openStore()
  const engine = createEngine({
    store,
    blueprints: given,
    settings: engineSettings(config),
    onError: (error) => log.error({ err: error }, 'the engine met an error, and goes on'),
  })
  engine.blueprints.replace('dir', found)
  let unwatch = async (): Promise<void> => {}
  const workers = workerDirectory({ workers: entries, globalToken: config.globalWorkerToken })
  const server = createOrchestrator({
    engine,
    clients: clientDirectory({ clients, fallbackToken: config.clientToken }),
    workers,
    log,
    settings: { pollWaitMs: config.workerPollTimeoutSeconds * 1000, timeZone: config.tz },
    ...(config.workersConfigPath === ''
      ? {}
      : {
          reloadWorkers: () => {
            const read = readWorkers({ path: config.workersConfigPath })
            if (read.faults) return read.faults
            workers.replace(read.workers)
            return []
          },
        }),
  })
  const stop = async (): Promise<void> => {
    await unwatch()
    await server.close()
    await engine.stop()
    if (!shareStore) await store.close()
  }
  try {
    const port = await server.listen({ host: config.apiHost, port: config.apiPort })
    engine.start()
    if (config.blueprintsDir !== '')
      unwatch = watchBlueprints({ folder: config.blueprintsDir, blueprints: engine.blueprints, log })
    log.info({ host: config.apiHost, port, blueprints: engine.blueprints.names() }, 'the orchestrator listens')
    return { port, log, stop }
  } catch (error) {
    await stop()
    // Endpoints are known to clash only when the routes are made.
    throw error instanceof BlueprintError ? new ConfigError(blueprintFaults(error)) : error
  }
}

/** The way to open the store that the configuration asks for, or what is wrong with the choice. */
const chooseStore = (config: OrchestratorConfig, log: Logger): (() => Promise<Store>) | Fault => {
  if (config.storage === 'memory') return async () => createMemoryStore()
  if (config.databaseUrl !== '')
    return () =>
      createPostgresStore({
        connectionString: config.databaseUrl,
        onError: (error) => log.warn({ err: error }, 'a connection to the database was lost'),
      })
  return {
    source: 'environment',
    what: 'DATABASE_URL is not set, and there is nowhere to keep jobs',
    remedy:
      'Set it, or start with `tutti up`, which brings a PostgreSQL of its own, or set STORAGE=memory for jobs that a restart may lose.',
  }
}

const findBlueprints = async (
  folder: string,
  given: readonly Blueprint[],
): Promise<{ blueprints: Blueprint[]; faults: Fault[] }> => {
  try {
    const blueprints = folder === '' ? [] : await loadBlueprints(folder)
    createRegistry([...given, ...blueprints])
    return { blueprints, faults: [] }
  } catch (error) {
    if (!(error instanceof BlueprintError)) throw error
    return { blueprints: [], faults: blueprintFaults(error) }
  }
}

const blueprintFaults = (error: BlueprintError): Fault[] =>
  error.message
    .split('\n')
    .map((what) => ({ source: 'BLUEPRINTS_DIR', what, remedy: 'Mend the blueprint and start again.' }))
