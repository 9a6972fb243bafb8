import { join, resolve } from 'node:path'
import {
  allowedHosts,
  callbackUrl,
  choice,
  days,
  flag,
  folder,
  folderList,
  headerToken,
  host,
  hours,
  httpUrl,
  identifier,
  ignorePatterns,
  imageName,
  integer,
  networkName,
  port,
  seconds,
  text,
  timerHours,
} from '../variables/schemas.ts'
import type { ConfigOf, VariableTable } from '../variables/variable.ts'
import { modelVariables } from './models.ts'
import { objectVariables } from './objects.ts'
import { leastTokenBytes, machineName, modeVariables, startVariables, workbenchLogVariables } from './shared.ts'

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
    description:
      'How many runs this manager works on at a time: each from its claim until its sandbox is gone and its files are stored.',
    schema: integer(1),
  },
  taskPullIntervalSeconds: {
    name: 'TASK_PULL_INTERVAL_SECONDS',
    default: '2',
    description:
      'The pause after requests for runs that failed (the first is repeated at once), where no rule of SCHEDULE_CONFIG_PATH says another; otherwise a request waits at the backend, and a run comes at once.',
    schema: seconds,
  },
  scheduleConfigPath: {
    name: 'SCHEDULE_CONFIG_PATH',
    default: '',
    description:
      'File (.toml or .json) that says which kinds of run this manager takes, and when. Empty: immediate and scheduled runs always, nightly ones from 02:00 to 08:00 UTC.',
    schema: folder,
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

const relayVariables = {
  egressAllowedHosts: {
    name: 'EGRESS_ALLOWED_HOSTS',
    default: '',
    description:
      'Hosts that every sandbox may reach, over CONNECT. Empty: none. Names that lead to private addresses are refused.',
    schema: allowedHosts,
  },
  egressGrantableHosts: {
    name: 'EGRESS_GRANTABLE_HOSTS',
    default: '',
    description: 'Hosts that a session may ask for in its `egress`, beside those that every sandbox may reach.',
    schema: allowedHosts,
  },
  rateLimitWaitSeconds: {
    name: 'RATE_LIMIT_WAIT_SECONDS',
    default: '30',
    description:
      'How long a run waits with its sandbox open when the model provider limits the rate; a longer wait parks the run.',
    schema: seconds,
  },
} satisfies VariableTable

const sandboxVariables = {
  sandbox: {
    name: 'SANDBOX',
    default: 'bubblewrap',
    description: 'What contains an agent. none contains nothing and is for development only.',
    schema: choice(['bubblewrap', 'docker', 'none'], {
      kubernetes: [
        'has no driver yet: a sandbox can only be printed as objects of Kubernetes, as an experiment',
        'Use docker or bubblewrap, and see scripts/kubernetes-manifest.ts.',
      ],
    }),
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
  dockerHost: {
    name: 'DOCKER_HOST',
    default: 'unix:///var/run/docker.sock',
    description: 'Unix socket of the container engine, with SANDBOX=docker. Who can speak to it is root on its host.',
    // Judged where it is used: a developer's tcp:// must not keep a manager from starting with bubblewrap.
    schema: text,
  },
  executorImage: {
    name: 'EXECUTOR_IMAGE',
    default: 'debian:bookworm-slim',
    description: 'Image of the sandboxes, with SANDBOX=docker. It needs the GNU C library, libstdc++ and a shell.',
    schema: imageName,
  },
  executorFiles: {
    name: 'EXECUTOR_FILES',
    default: 'host',
    description:
      'Where a sandbox finds the executor, Node and the agent’s executable: mounted from this installation, or in the image. A manager that is itself in a container needs image.',
    schema: choice(['host', 'image']),
  },
  sandboxDockerRuntime: {
    name: 'SANDBOX_DOCKER_RUNTIME',
    default: '',
    description: 'OCI runtime that the container engine knows by this name, such as runsc. Empty: its default.',
    schema: text,
  },
  sandboxDockerNetwork: {
    name: 'SANDBOX_DOCKER_NETWORK',
    default: 'none',
    description:
      'Network of the container engine that sandboxes are in, such as bridge. They reach all that it reaches. none: they have no network, and a socket leads to the manager.',
    schema: networkName,
  },
  callbackBaseUrl: {
    name: 'CALLBACK_BASE_URL',
    default: 'http://host.docker.internal:8001',
    description:
      'Where sandboxes that are in a network reach this manager; it leads to MANAGER_HOST and MANAGER_PORT, over http and without a path.',
    schema: callbackUrl,
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
  sandboxKeepSeconds: {
    name: 'SANDBOX_KEEP_SECONDS',
    default: '60',
    description:
      'How long a sandbox waits, stopped, for the next turn of its session, which then begins sooner. 0: every turn has a sandbox of its own.',
    schema: integer(0),
  },
  sandboxKeep: {
    name: 'SANDBOX_KEEP',
    default: '5',
    description:
      'How many sandboxes may wait so, beside those of MAX_CONCURRENT_TASKS. The one that waits for longest goes first.',
    schema: integer(0),
  },
  sandboxKeepMemoryMb: {
    name: 'SANDBOX_KEEP_MEMORY_MB',
    // Room for SANDBOX_KEEP, of some 200 MB each, and for SANDBOX_POOL.
    default: '1536',
    description: 'Memory that waiting sandboxes may hold together, in megabytes: kept ones and those of SANDBOX_POOL.',
    schema: integer(0),
  },
  sandboxPool: {
    name: 'SANDBOX_POOL',
    default: '1',
    description:
      'How many sandboxes are started ahead and wait, loaded and stopped, for whichever session comes next: its turn begins sooner. 0: none. With SANDBOX=bubblewrap; the others have none.',
    schema: integer(0),
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

const keepingVariables = {
  gitPrivateHosts: {
    name: 'GIT_PRIVATE_HOSTS',
    default: 'false',
    description: 'Whether repositories may be cloned from hosts in private networks.',
    schema: flag,
  },
  workspaceGitIgnore: {
    name: 'WORKSPACE_GIT_IGNORE',
    default: '',
    description:
      'What is left out of snapshots and lists of changes, and not tracked by git in cloned repositories: patterns as in .gitignore, separated by commas.',
    schema: ignorePatterns,
  },
  workspaceCacheMb: {
    name: 'WORKSPACE_CACHE_MB',
    default: '10240',
    description: 'How much WORKSPACE_ROOT/cache may hold of files that sessions share, in megabytes.',
    schema: integer(1),
  },
  workspaceCleanupEnabled: {
    name: 'WORKSPACE_CLEANUP_ENABLED',
    default: 'false',
    description: 'Whether workspaces that were not used for long are removed from this host.',
    schema: flag,
  },
  workspaceCleanupIntervalHours: {
    name: 'WORKSPACE_CLEANUP_INTERVAL_HOURS',
    default: '24',
    description: 'How often the cleanup looks for them.',
    schema: timerHours,
  },
  workspaceMaxAgeHours: {
    name: 'WORKSPACE_MAX_AGE_HOURS',
    default: '24',
    description: 'For how long a workspace stays after its last use.',
    schema: hours,
  },
  workspaceArchiveEnabled: {
    name: 'WORKSPACE_ARCHIVE_ENABLED',
    default: 'true',
    description: 'Whether a workspace is packed into WORKSPACE_ROOT/archive before it is removed.',
    schema: flag,
  },
  workspaceArchiveDays: {
    name: 'WORKSPACE_ARCHIVE_DAYS',
    default: '7',
    description: 'For how many days such archives are kept.',
    schema: days,
  },
} satisfies VariableTable

export const managerVariables = {
  ...modeVariables,
  ...startVariables,
  managerHost: {
    name: 'MANAGER_HOST',
    default: '127.0.0.1',
    description: 'The address that the manager’s own API listens on.',
    schema: host,
  },
  managerPort: {
    name: 'MANAGER_PORT',
    default: '8001',
    description: 'The port that the manager’s own API listens on.',
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
  ...relayVariables,
  ...pullVariables,
  ...sandboxVariables,
  ...workspaceVariables,
  ...keepingVariables,
  ...objectVariables,
  ...workbenchLogVariables,
} satisfies VariableTable

export type ManagerConfig = ConfigOf<typeof managerVariables>
