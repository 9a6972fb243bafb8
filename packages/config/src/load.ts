/** What a process's main calls first: everything it is told from outside, or one `ConfigError` with every fault. */
import { ConfigError, type Fault } from './fault.ts'
import { type FilesResult, readFiles } from './files.ts'
import { keylessProviders, type ModelCatalogue, modelCatalogue, modelFaults } from './models/catalogue.ts'
import { type BackendConfig, backendVariables } from './processes/backend.ts'
import { keylessEmbeddings } from './processes/keyless-embeddings.ts'
import { type ManagerConfig, managerVariables } from './processes/manager.ts'
import { type ObjectStorage, objectStorageOf } from './processes/objects.ts'
import { openToNetwork } from './processes/open-to-network.ts'
import { type OrchestratorChoices, orchestratorChoices } from './processes/orchestrator/choices.ts'
import { warnWithoutEffect, withoutEffect } from './processes/orchestrator/without-effect.ts'
import { type OrchestratorConfig, orchestratorVariables } from './processes/orchestrator.ts'
import { payloadStorageOf, type S3Settings } from './processes/payloads.ts'
import { reachableCallback } from './processes/reachable-callback.ts'
import { type StorageChoice, storageOf } from './processes/store-choice.ts'
import { workbenchWithoutEffect } from './processes/workbench-without-effect.ts'
import {
  defaultPullSchedule,
  type PullSchedule,
  type PullScheduleResult,
  readPullSchedule,
} from './pull-schedule/pull-schedule.ts'
import type { Client } from './toml/clients.ts'
import type { SchedulesFile } from './toml/schedules.ts'
import type { WorkerEntry } from './toml/workers.ts'
import { warnMisspelt } from './variables/misspelt.ts'
import { readEnvironment } from './variables/read-environment.ts'
import type { Environment, VariableTable } from './variables/variable.ts'

export interface LoadedOrchestrator extends OrchestratorChoices {
  config: OrchestratorConfig
  /** `null` when no clients.toml is configured. */
  clients: Client[] | null
  /** `null` when no workers.toml is configured. */
  workers: WorkerEntry[] | null
  /** `null` when no schedules.toml is configured. Whether its blueprints are there is for `checkSchedules`. */
  schedules: SchedulesFile | null
  warnings: Fault[]
}

/** @param options.ownStore whether it has to open a store itself, and so must know where */
export function loadOrchestrator(env: Environment, { ownStore = true } = {}): LoadedOrchestrator {
  const environment = readEnvironment(orchestratorVariables, env)
  const known = environment.config ?? environment.known
  // All of it is read even when the environment has faults, so that one start shows them all.
  const { choices, faults } = orchestratorChoices(known, { ownStore, keysAreOthers: hasOtherStorage(env) })
  const files: FilesResult = readFiles(known)
  faults.unshift(...(environment.faults ?? []))
  faults.push(...files.faults)
  if (faults.length > 0 || !environment.config) throw new ConfigError(faults)

  const { config } = environment
  const { clients, workers, schedules } = files
  // A token that is switched off by a file needs no warning.
  const warnings = environment.warnings.filter(
    ({ variable }) => config.clientsConfigPath === '' || variable !== 'CLIENT_TOKEN',
  )
  warnings.push(...files.warnings, ...warnWithoutEffect(env), ...misspelt(orchestratorVariables, env))
  return { ...choices, config, clients, workers, schedules, warnings }
}

export interface LoadedBackend {
  config: BackendConfig
  /** `null` only where the caller brings a store. */
  storage: StorageChoice | null
  /** Where payloads lie that left the store; `null`: none did. */
  payloads: S3Settings | null
  models: ModelCatalogue
  /** Where the workbench’s files lie; `null`: in the folder OBJECTS_DIR. */
  files: ObjectStorage | null
  warnings: Fault[]
}

/** @param options.ownStore whether it has to open a store itself, and so must know where */
export function loadBackend(env: Environment, { ownStore = true } = {}): LoadedBackend {
  const environment = readEnvironment(backendVariables, env)
  const faults = [...(environment.faults ?? [])]
  const known = environment.config ?? environment.known
  const storage = ownStore ? storageOf(known, faults) : null
  if (storage?.kind === 'memory') faults.push(unshared)
  const open = openToNetwork(known)
  if (open) faults.push(open)
  const keyless = keylessEmbeddings(known)
  if (keyless) faults.push(keyless)
  const payloads = payloadStorageOf(known, faults, hasOtherStorage(env))
  const files = objectStorageOf(known, faults)
  faults.push(...modelFaults(known, env))
  if (faults.length > 0 || !environment.config) throw new ConfigError(faults)
  const models = modelCatalogue(environment.config, env, [])
  return {
    config: environment.config,
    storage,
    payloads,
    files,
    models,
    warnings: [
      ...environment.warnings,
      ...warnWithoutEffect(env, workbenchWithoutEffect),
      ...misspelt(backendVariables, env),
    ],
  }
}

export interface LoadedManager {
  config: ManagerConfig
  models: ModelCatalogue
  /** Which kinds of run it takes, and when. */
  schedule: PullSchedule
  /** As the backend’s. */
  files: ObjectStorage | null
  warnings: Fault[]
}

export function loadManager(env: Environment): LoadedManager {
  const environment = readEnvironment(managerVariables, env)
  const known = environment.config ?? environment.known
  const path = known.scheduleConfigPath
  const read: PullScheduleResult = path
    ? readPullSchedule({ path })
    : { schedule: defaultPullSchedule(known.taskPullIntervalSeconds ?? 2) }
  const faults = [...(environment.faults ?? []), ...(read.faults ?? [])]
  const unreachable = reachableCallback(known)
  if (unreachable) faults.push(unreachable)
  const files = objectStorageOf(known, faults)
  faults.push(...modelFaults(known, env))
  if (faults.length > 0 || !environment.config || !read.schedule) throw new ConfigError(faults)
  const { config } = environment
  const models = modelCatalogue(config, env, [])
  const warnings = [...environment.warnings, ...keylessProviders(models), ...misspelt(managerVariables, env)]
  if (config.sandbox === 'none' && config.tuttiEnv === 'production') warnings.push(uncontained)
  return { config, files, schedule: read.schedule, models, warnings }
}

/** The servers of one machine share their environment, and then S3_ACCESS_KEY and S3_SECRET_KEY as well. */
const hasOtherStorage = (env: Environment): boolean => Boolean(env.S3_ENDPOINT || env.S3_BUCKET)

/** On one machine the servers share an environment: another one's variables are no mistakes. */
const misspelt = (table: VariableTable, env: Environment): Fault[] => warnMisspelt(table, env, namesOfAll)

const tables: VariableTable[] = [orchestratorVariables, backendVariables, managerVariables]
const namesOfAll = new Set([
  ...Object.keys(withoutEffect),
  ...Object.keys(workbenchWithoutEffect),
  ...tables.flatMap((table) => Object.values(table).flatMap(({ name, aliases = [] }) => [name, ...aliases])),
])

const unshared: Fault = {
  source: 'environment',
  variable: 'STORAGE',
  what: 'STORAGE=memory keeps jobs in the memory of one process, and the orchestrator is another',
  remedy: 'Use postgres or redis for both, or `tutti up --storage memory`, which runs both in one process.',
}

const uncontained: Fault = {
  source: 'environment',
  variable: 'SANDBOX',
  what: 'SANDBOX=none lets agents do whatever this process may do',
  remedy: 'Use SANDBOX=bubblewrap wherever an agent sees text that others wrote.',
}
