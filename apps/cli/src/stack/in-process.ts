/** All servers in this one process, each with the environment that it would have in a process of its own. */
import { startBackend } from '@tutti/backend'
import { startManager } from '@tutti/executor-manager'
import { startOrchestrator } from '@tutti/orchestrator'
import { createMemoryStore } from '@tutti/stores'
import type { Environment, RunningServer } from './process.ts'

export interface Environments {
  orchestrator: Environment
  backend: Environment
  'executor-manager': Environment
}

/** @param onStarted told of each server, so that it is stopped again if a later one does not start */
export const startInProcess = async (
  environments: Environments,
  storage: 'postgres' | 'memory' | 'redis',
  onStarted: (server: RunningServer) => void,
): Promise<RunningServer[]> => {
  // Volatile jobs live in one memory that orchestrator and backend must share.
  const shared = storage === 'memory' ? { store: createMemoryStore() } : {}
  const servers: RunningServer[] = []
  const add = (name: string, stop: () => Promise<void>): void => {
    const server = { name, pid: () => process.pid, stop }
    servers.push(server)
    onStarted(server)
  }
  add('orchestrator', (await startOrchestrator(environments.orchestrator, shared)).stop)
  add('backend', (await startBackend(environments.backend, shared)).stop)
  add('executor-manager', (await startManager(environments['executor-manager'])).stop)
  return servers
}
