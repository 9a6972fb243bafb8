/** What the routes are given. */
import type { ClientDirectory, Reloader, TlsFiles, WorkerDirectory } from '@tutti/config'
import type { Engine, Store } from '@tutti/engine'
import type { Logger } from '@tutti/telemetry'
import type { Parking } from './http/parking.ts'
import type { OrchestratorSettings } from './settings.ts'
import type { WriteInstant } from './views/instant.ts'

export interface OrchestratorDeps {
  engine: Engine
  clients: ClientDirectory
  workers: WorkerDirectory
  log: Logger
  settings?: Partial<OrchestratorSettings>
  reloader: Reloader
  /** Absent: plain HTTP. */
  tls?: TlsFiles
  /** The token that a worker has at present, which its messages are signed with; null: none. Absent: nothing is signed. */
  secretOf?: (worker: string) => string | null
  /** Where the short-lived tokens of workers are kept: the Store. Absent: there are none. */
  records?: Pick<Store, 'now' | 'putRecords' | 'getRecords' | 'listRecords' | 'dropRecords'>
  /** Milliseconds since the epoch; for tests. */
  now?: () => number
}

/** The same, completed by the server. */
export interface RouteDeps extends Omit<OrchestratorDeps, 'settings'> {
  settings: OrchestratorSettings
  parking: Parking
  instant: WriteInstant
}
