export { type Backend, createBackend, objectsPath } from './app.ts'
export type { BackendDeps } from './deps.ts'
export type { BackendSettings, GivenSettings } from './settings.ts'
export { type RunningBackend, type SharedParts, startBackend } from './start.ts'
