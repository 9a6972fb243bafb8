export { type ClientDirectory, type ClientDirectoryOptions, clientDirectory } from './access/client-directory.ts'
export { hashToken } from './access/tokens.ts'
export {
  type WorkerDirectory,
  type WorkerDirectoryOptions,
  type WorkerVerdict,
  workerDirectory,
} from './access/worker-directory.ts'
export { ConfigError, type Fault, formatFaults } from './fault.ts'
export {
  type LoadedBackend,
  type LoadedManager,
  type LoadedOrchestrator,
  loadBackend,
  loadManager,
  loadOrchestrator,
} from './load.ts'
export { type ModelCatalogue, type ModelProvider, modelCatalogue } from './models/catalogue.ts'
export { costAt } from './models/cost.ts'
export { type BackendConfig, backendVariables } from './processes/backend.ts'
export { budgetDefaults } from './processes/budgets.ts'
export { type ManagerConfig, managerVariables } from './processes/manager.ts'
export type { ObjectStorage } from './processes/objects.ts'
export { isLoopback } from './processes/open-to-network.ts'
export type {
  HistoryChoice,
  OrchestratorChoices,
} from './processes/orchestrator/choices.ts'
export type { TlsFiles } from './processes/orchestrator/tls.ts'
export { withoutEffect } from './processes/orchestrator/without-effect.ts'
export { type OrchestratorConfig, orchestratorVariables } from './processes/orchestrator.ts'
export type { S3Settings } from './processes/payloads.ts'
export { engineSettings, logSettings } from './processes/shared.ts'
export type { RedisSettings, StorageChoice } from './processes/store-choice.ts'
export { workbenchWithoutEffect } from './processes/workbench-without-effect.ts'
export {
  defaultPullSchedule,
  type IntervalRule,
  type PullRule,
  type PullSchedule,
  readPullSchedule,
  type WindowRule,
} from './pull-schedule/pull-schedule.ts'
export {
  createReloader,
  type ReloadedFile,
  type Reloader,
  type ReloaderDeps,
  type ReloadOutcome,
} from './reload.ts'
export { type Client, type ClientRole, type ClientsResult, clientFields, readClients } from './toml/clients.ts'
export type { TomlSource } from './toml/read-toml.ts'
export {
  checkSchedules,
  readSchedules,
  type ScheduleEntry,
  type SchedulesFile,
  type SchedulesResult,
  schedulerClient,
} from './toml/schedules.ts'
export { readWorkers, type WorkerEntry, type WorkersResult, workerFields } from './toml/workers.ts'
export type { ModelPrice } from './variables/models.ts'
export type { Rate } from './variables/rate.ts'
export { type EnvironmentResult, loadEnvironment, readEnvironment } from './variables/read-environment.ts'
export {
  type Computed,
  type ConfigOf,
  describeVariables,
  type Environment,
  type Variable,
  type VariableRow,
  type VariableTable,
} from './variables/variable.ts'
