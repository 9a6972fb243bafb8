export { createOrchestrator, type Orchestrator } from './app.ts'
export type { OrchestratorDeps } from './deps.ts'
export { defaultSettings, type OrchestratorSettings } from './settings.ts'
export { type RunningOrchestrator, type SharedParts, startOrchestrator } from './start/start.ts'
