/** What a process's main calls first: everything it is told from outside, or one `ConfigError` with every fault. */
import { findByToken } from './access/tokens.ts'
import { ConfigError, type Fault } from './fault.ts'
import { type BackendConfig, backendVariables } from './processes/backend.ts'
import { type ManagerConfig, managerVariables } from './processes/manager.ts'
import { type OrchestratorConfig, orchestratorVariables } from './processes/orchestrator.ts'
import { type Client, readClients } from './toml/clients.ts'
import { readWorkers, type WorkerEntry } from './toml/workers.ts'
import { loadEnvironment, readEnvironment } from './variables/read-environment.ts'
import type { Environment } from './variables/variable.ts'

export interface LoadedOrchestrator {
  config: OrchestratorConfig
  /** `null` when no clients.toml is configured. */
  clients: Client[] | null
  /** `null` when no workers.toml is configured. */
  workers: WorkerEntry[] | null
  warnings: Fault[]
}

export function loadOrchestrator(env: Environment): LoadedOrchestrator {
  const environment = readEnvironment(orchestratorVariables, env)
  // Read even when the environment has faults, so that one start shows them all.
  const clients = env.CLIENTS_CONFIG_PATH ? readClients({ path: env.CLIENTS_CONFIG_PATH }) : { clients: null }
  const workers = env.WORKERS_CONFIG_PATH ? readWorkers({ path: env.WORKERS_CONFIG_PATH }) : { workers: null }
  const faults = [environment, clients, workers].flatMap((part) => ('faults' in part ? (part.faults ?? []) : []))

  const globalToken = env.GLOBAL_WORKER_TOKEN ?? orchestratorVariables.globalWorkerToken.default
  const shared = findByToken(workers.workers ?? [], globalToken)
  if (shared !== null) faults.push(sharedWithGlobal(shared, env.WORKERS_CONFIG_PATH ?? ''))
  if (faults.length > 0 || !environment.config) throw new ConfigError(faults)

  const { config } = environment
  // A token that is switched off by a file needs no warning.
  const warnings = environment.warnings.filter(
    ({ variable }) => config.clientsConfigPath === '' || variable !== 'CLIENT_TOKEN',
  )
  return { config, clients: clients.clients ?? null, workers: workers.workers ?? null, warnings }
}

export function loadBackend(env: Environment): { config: BackendConfig; warnings: Fault[] } {
  return loadEnvironment(backendVariables, env)
}

export function loadManager(env: Environment): { config: ManagerConfig; warnings: Fault[] } {
  const { config, warnings } = loadEnvironment(managerVariables, env)
  if (config.sandbox === 'none' && config.tuttiEnv === 'production') warnings.push(uncontained)
  if (config.anthropicAuthToken === '' && config.anthropicApiKey === '') warnings.push(keyless)
  return { config, warnings }
}

function sharedWithGlobal(worker: WorkerEntry, path: string): Fault {
  return {
    source: path,
    what: `[${worker.id}] has GLOBAL_WORKER_TOKEN as its own token, which lets it pass for other workers`,
    remedy: 'Give it a token of its own.',
  }
}

const uncontained: Fault = {
  source: 'environment',
  variable: 'SANDBOX',
  what: 'SANDBOX=none lets agents do whatever this process may do',
  remedy: 'Use SANDBOX=bubblewrap wherever an agent sees text that others wrote.',
}

const keyless: Fault = {
  source: 'environment',
  variable: 'ANTHROPIC_AUTH_TOKEN',
  what: 'neither ANTHROPIC_AUTH_TOKEN nor ANTHROPIC_API_KEY is set',
  remedy: 'Set one of them, unless the address in ANTHROPIC_BASE_URL needs none; without it runs will fail.',
}
