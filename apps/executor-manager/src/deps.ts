/** What the stations of the manager are given. Every function names only the parts that it uses. */
import type { ManagerConfig, PullSchedule } from '@tutti/config'
import type { TokenUsage } from '@tutti/contracts'
import type { ObjectStore } from '@tutti/objects'
import type { SandboxDriver } from '@tutti/sandbox'
import type { Logger } from '@tutti/telemetry'
import type { BackendClient } from './backend/client.ts'
import type { AtWork } from './claim/at-work.ts'
import type { ContentCache } from './files/content-cache.ts'
import type { Callbacks } from './relay/callbacks.ts'
import type { ExecutorFiles } from './sandbox/executor-files.ts'
import type { KeptSandboxes } from './sandbox/kept.ts'
import type { SandboxPool } from './sandbox/pool.ts'
import type { CompileCache } from './sandbox/warm-up.ts'
import type { ManagerSettings } from './settings.ts'

/** How a provider is reached. Neither the address nor the headers ever enter a sandbox. */
export interface ModelRoute {
  /** Its id. */
  provider: string
  baseUrl: string
  /** The key, as the header that carries it; empty where the provider needs none. */
  headers: Readonly<Record<string, string>>
}

export interface ModelAccess {
  /** The model of runs that name none. */
  name: string
  /** Undefined: no agent may ask this model here. */
  routeOf(model: string): ModelRoute | undefined
  /** In dollars; null where nobody has said what the model costs. */
  costOf(model: string, usage: TokenUsage): number | null
}

/** The part of the configuration that the manager reads after it was wired. */
export type UsedConfig = Pick<
  ManagerConfig,
  | 'callbackBaseUrl'
  | 'egressAllowedHosts'
  | 'egressGrantableHosts'
  | 'executorFiles'
  | 'gitPrivateHosts'
  | 'internalApiToken'
  | 'managerHost'
  | 'managerPort'
  | 'maxConcurrentTasks'
  | 'rateLimitWaitSeconds'
  | 'runTimeoutSeconds'
  | 'sandboxDiskMb'
  | 'sandboxDockerNetwork'
  | 'sandboxKeep'
  | 'sandboxKeepMemoryMb'
  | 'sandboxKeepSeconds'
  | 'sandboxPool'
  | 'sandboxMemoryMb'
  | 'sandboxProcesses'
  | 'stagingRoots'
  | 'taskClaimLeaseSeconds'
  | 'taskPullEnabled'
  | 'taskPullIntervalSeconds'
  | 'workerId'
  | 'workspaceArchiveDays'
  | 'workspaceArchiveEnabled'
  | 'workspaceCacheMb'
  | 'workspaceCleanupEnabled'
  | 'workspaceCleanupIntervalHours'
  | 'workspaceMaxAgeHours'
  | 'workspaceGitIgnore'
  | 'workspaceIgnoreDotFiles'
  | 'workspaceRoot'
>

export interface ManagerDeps {
  config: UsedConfig
  /** Which kinds of run it takes, and when. */
  schedule: PullSchedule
  backend: BackendClient
  driver: SandboxDriver
  objects: Pick<ObjectStore, 'get' | 'head' | 'list' | 'put'>
  log: Logger
  model: ModelAccess
}

/** What a run needs on its way: the manager's dependencies with everything decided. */
export interface Station extends ManagerDeps {
  atWork: AtWork
  settings: ManagerSettings
  executor: ExecutorFiles
  /** Contents that many workspaces hold. */
  cache: ContentCache
  /** Relays over TCP; undefined where each sandbox has a socket. */
  callbacks: Callbacks | undefined
  /** Sandboxes that wait for their session's next turn. */
  kept: KeptSandboxes
  /** Sandboxes that wait for whichever session comes. */
  pool: SandboxPool
  /** Undefined until it is made, and where it can’t be. */
  compileCache(): CompileCache | undefined
  /** Folder for the relays' sockets; short, because the path of a socket may have about a hundred bytes. */
  socketRoot: string
  /** Under which the backend knows this manager. */
  workerId: string
  /** Of each claim and renewal, within what the backend takes. */
  leaseSeconds: number
}
