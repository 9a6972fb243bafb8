export { type CrewOptions, createCrew, type OrchestratorAddress } from './crew.ts'
export { defineWorker, type WorkerDefinition } from './define.ts'
export { type WorkerEnvironment, workerFromEnvironment } from './environment.ts'
export {
  ContractViolationError,
  IntegrityError,
  InvalidInputError,
  PermanentError,
  TransientError,
  WorkerFileError,
  WorkerRejectedError,
} from './errors.ts'
export { type HealthServer, serveHealth } from './health.ts'
export type { HotCache } from './hot-cache.ts'
export type { WorkerLog } from './log.ts'
export { createTaskMetrics, type TaskMetrics } from './metrics.ts'
export type { Middleware } from './middleware.ts'
export { type Outcome, outcome } from './outcome.ts'
export { type RunWorkerFileOptions, runWorkerFile, type SignalSource } from './run-file.ts'
export type { Schema } from './schema.ts'
export { type Skill, type SkillDefinition, skill, type Task, type UncheckedSkillDefinition } from './skill.ts'
export type { ClientTls } from './tls-fetch.ts'
export { createWorker, type Worker, type WorkerOptions } from './worker.ts'
