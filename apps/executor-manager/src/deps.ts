/** What the stations of the manager are given. Every function names only the parts that it uses. */
import type { ManagerConfig } from '@tutti/config'
import type { ObjectStore } from '@tutti/objects'
import type { SandboxDriver } from '@tutti/sandbox'
import type { Logger } from '@tutti/telemetry'
import type { BackendClient } from './backend/client.ts'
import type { ExecutorFiles } from './sandbox/executor-files.ts'
import type { CompileCache } from './sandbox/warm-up.ts'
import type { ManagerSettings } from './settings.ts'

/** How the model provider is reached. Neither the address nor the headers ever enter a sandbox. */
export interface ModelAccess {
  baseUrl: string
  /** The key, as the header that carries it; empty where the provider needs none. */
  headers: Readonly<Record<string, string>>
  /** The model of runs that name none. */
  name: string
}

/** The part of the configuration that the manager reads after it was wired. */
export type UsedConfig = Pick<
  ManagerConfig,
  | 'executorFiles'
  | 'managerHost'
  | 'managerPort'
  | 'maxConcurrentTasks'
  | 'runTimeoutSeconds'
  | 'sandboxDiskMb'
  | 'sandboxMemoryMb'
  | 'sandboxProcesses'
  | 'stagingRoots'
  | 'taskClaimLeaseSeconds'
  | 'taskPullEnabled'
  | 'taskPullIntervalSeconds'
  | 'workerId'
  | 'workspaceIgnoreDotFiles'
  | 'workspaceRoot'
>

export interface ManagerDeps {
  config: UsedConfig
  backend: BackendClient
  driver: SandboxDriver
  objects: Pick<ObjectStore, 'get' | 'put'>
  log: Logger
  model: ModelAccess
}

/** What a run needs on its way: the manager's dependencies with everything decided. */
export interface Station extends ManagerDeps {
  settings: ManagerSettings
  executor: ExecutorFiles
  /** Undefined until it is made, and where it can’t be. */
  compileCache(): CompileCache | undefined
  /** Folder for the relays' sockets; short, because the path of a socket may have about a hundred bytes. */
  socketRoot: string
  /** Under which the backend knows this manager. */
  workerId: string
  /** Of each claim and renewal, within what the backend takes. */
  leaseSeconds: number
}
