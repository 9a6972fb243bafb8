import { choice, folder, headerToken, host, notYet, port, postgresUrl, text } from '../variables/schemas.ts'
import type { ConfigOf, VariableTable } from '../variables/variable.ts'
import { engineVariables, logVariables, modeVariables } from './shared.ts'

export const orchestratorVariables = {
  ...modeVariables,
  apiHost: {
    name: 'API_HOST',
    default: '0.0.0.0',
    description: 'The address that the API listens on.',
    schema: host,
  },
  apiPort: { name: 'API_PORT', default: '8080', description: 'The port that the API listens on.', schema: port },
  storage: {
    name: 'STORAGE',
    default: '',
    description: 'Where jobs are kept. Empty: at DATABASE_URL. memory forgets everything at a restart.',
    schema: choice(['', 'memory', 'postgres']),
  },
  databaseUrl: {
    name: 'DATABASE_URL',
    default: '',
    description: 'The PostgreSQL that keeps the jobs. `tutti up` sets it to the built-in one where it is empty.',
    schema: postgresUrl,
    secret: true,
  },
  redisHost: {
    name: 'REDIS_HOST',
    default: '',
    description: 'Host of the Redis that keeps the jobs.',
    schema: notYet('the redis store', 'Unset it, and set DATABASE_URL to keep jobs in PostgreSQL.'),
  },
  clientToken: {
    name: 'CLIENT_TOKEN',
    default: 'secure-orchestrator-token',
    description: 'The one token of API clients; counts only while CLIENTS_CONFIG_PATH is empty.',
    schema: headerToken,
    secret: true,
  },
  globalWorkerToken: {
    name: 'GLOBAL_WORKER_TOKEN',
    default: 'secure-worker-token',
    description: 'The token of workers that have no token of their own in workers.toml.',
    schema: headerToken,
    secret: true,
  },
  clientsConfigPath: {
    name: 'CLIENTS_CONFIG_PATH',
    default: '',
    description: 'Path of clients.toml.',
    schema: text,
  },
  workersConfigPath: {
    name: 'WORKERS_CONFIG_PATH',
    default: '',
    description: 'Path of workers.toml.',
    schema: text,
  },
  blueprintsDir: {
    name: 'BLUEPRINTS_DIR',
    default: '',
    description: 'Folder whose blueprints are loaded at start.',
    schema: folder,
  },
  ...engineVariables,
  ...logVariables,
} satisfies VariableTable

export type OrchestratorConfig = ConfigOf<typeof orchestratorVariables>
