import { join, resolve } from 'node:path'
import {
  choice,
  flag,
  folder,
  folderList,
  headerToken,
  host,
  httpUrl,
  identifier,
  integer,
  modelPatterns,
  port,
  seconds,
  text,
} from '../variables/schemas.ts'
import type { ConfigOf, VariableTable } from '../variables/variable.ts'
import { objectVariables } from './objects.ts'
import { leastTokenBytes, machineName, modeVariables, workbenchLogVariables } from './shared.ts'

const modelVariables = {
  anthropicAuthToken: {
    name: 'ANTHROPIC_AUTH_TOKEN',
    default: '',
    description: 'Token for the model provider, sent as a bearer token. It never enters a sandbox.',
    schema: headerToken,
    secret: true,
  },
  anthropicApiKey: {
    name: 'ANTHROPIC_API_KEY',
    default: '',
    description: 'API key for the model provider, used when ANTHROPIC_AUTH_TOKEN is empty. It never enters a sandbox.',
    schema: headerToken,
    secret: true,
  },
  anthropicBaseUrl: {
    name: 'ANTHROPIC_BASE_URL',
    default: 'https://api.anthropic.com',
    description: 'Address of the model provider or of a gateway.',
    schema: httpUrl,
  },
  defaultModel: {
    name: 'DEFAULT_MODEL',
    default: 'claude-sonnet-4-20250514',
    description: 'The model of runs that name none.',
    schema: text,
  },
  allowedModels: {
    name: 'ALLOWED_MODELS',
    default: 'claude-*',
    description: 'Models that an agent may ask beside its run’s own: for sub-agents and the runtime’s small requests.',
    schema: modelPatterns,
  },
} satisfies VariableTable

const pullVariables = {
  taskPullEnabled: {
    name: 'TASK_PULL_ENABLED',
    default: 'true',
    description: 'Whether this manager takes runs from the queue.',
    schema: flag,
  },
  maxConcurrentTasks: {
    name: 'MAX_CONCURRENT_TASKS',
    default: '5',
    description: 'How many runs this manager works on at a time.',
    schema: integer(1),
  },
  taskPullIntervalSeconds: {
    name: 'TASK_PULL_INTERVAL_SECONDS',
    default: '2',
    description: 'The pause after an attempt to take runs that failed.',
    schema: seconds,
  },
  taskClaimLeaseSeconds: {
    name: 'TASK_CLAIM_LEASE_SECONDS',
    default: '180',
    description: 'How long a claimed run stays this manager’s without a renewal; must cover staging and start.',
    schema: seconds,
  },
  runTimeoutSeconds: {
    name: 'RUN_TIMEOUT_SECONDS',
    default: '3600',
    description: 'The longest time of one run; then it is stopped.',
    schema: seconds,
  },
} satisfies VariableTable

const sandboxVariables = {
  sandbox: {
    name: 'SANDBOX',
    default: 'bubblewrap',
    description: 'What contains an agent. none contains nothing and is for development only.',
    schema: choice(['bubblewrap', 'none']),
  },
  sandboxStateDir: {
    name: 'SANDBOX_STATE_DIR',
    // As root every sandbox runs as a host user of its own. Two managers that count those users in two folders would give
    // one number out twice, and each would end the other’s sandboxes as leftovers of its own.
    default: {
      text: '/var/lib/tutti/sandboxes as root, else WORKSPACE_ROOT/sandboxes',
      value: (env) =>
        process.getuid?.() === 0 ? '/var/lib/tutti/sandboxes' : join(resolve(env.WORKSPACE_ROOT ?? ''), 'sandboxes'),
    },
    description: 'Where live sandboxes are recorded. All managers of a host that run as root share one.',
    schema: folder,
  },
  sandboxMemoryMb: {
    name: 'SANDBOX_MEMORY_MB',
    default: '2048',
    description: 'Memory of one sandbox, in megabytes.',
    schema: integer(1),
  },
  sandboxProcesses: {
    name: 'SANDBOX_PROCESSES',
    default: '256',
    description: 'Processes and threads of one sandbox.',
    schema: integer(1),
  },
  sandboxDiskMb: {
    name: 'SANDBOX_DISK_MB',
    default: '4096',
    description: 'Disk of one sandbox, in megabytes.',
    schema: integer(1),
  },
} satisfies VariableTable

const workspaceVariables = {
  workspaceRoot: {
    name: 'WORKSPACE_ROOT',
    description: 'Folder on the host that holds the workspaces of sessions.',
    schema: folder,
  },
  stagingRoots: {
    name: 'STAGING_ROOTS',
    default: '',
    description: 'Host folders that a session may ask to have copied into its workspace. Empty: none.',
    schema: folderList,
  },
  workspaceIgnoreDotFiles: {
    name: 'WORKSPACE_IGNORE_DOT_FILES',
    default: 'true',
    description: 'Whether files and folders that start with a dot are left out of exports.',
    schema: flag,
  },
} satisfies VariableTable

export const managerVariables = {
  ...modeVariables,
  managerHost: {
    name: 'MANAGER_HOST',
    default: '127.0.0.1',
    description: 'The address that the health endpoint listens on.',
    schema: host,
  },
  managerPort: {
    name: 'MANAGER_PORT',
    default: '8001',
    description: 'The port that the health endpoint listens on.',
    schema: port,
  },
  backendUrl: {
    name: 'BACKEND_URL',
    description: 'The address of the backend.',
    schema: httpUrl,
    aliases: ['POCO_BACKEND_URL'],
  },
  internalApiToken: {
    name: 'INTERNAL_API_TOKEN',
    description: 'What this manager proves itself with to the backend; the same value on both sides.',
    schema: headerToken,
    secret: true,
    leastBytes: leastTokenBytes,
  },
  workerId: {
    name: 'WORKER_ID',
    default: machineName,
    description: 'Tells this manager from the others; it must be unique among them.',
    schema: identifier,
  },
  ...modelVariables,
  ...pullVariables,
  ...sandboxVariables,
  ...workspaceVariables,
  ...objectVariables,
  ...workbenchLogVariables,
} satisfies VariableTable

export type ManagerConfig = ConfigOf<typeof managerVariables>
