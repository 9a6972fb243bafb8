/** What the routes are given. */
import type { ClientDirectory, Reloader, TlsFiles, WorkerDirectory } from '@tutti/config'
import type { Engine, Scheduler, Store } from '@tutti/engine'
import type { HistoryArchive } from '@tutti/history'
import type { ObjectStore, PresignVerdict } from '@tutti/objects'
import type { Logger, Metrics } from '@tutti/telemetry'
import type { FastifyRequest } from 'fastify'
import type { ApprovalLinks } from './approvals/link.ts'
import type { ClientLimit } from './http/client-rates.ts'
import type { Parking } from './http/parking.ts'
import type { OrchestratorSettings } from './settings.ts'
import type { RegisteredBlueprints } from './start/registered-blueprints.ts'
import type { WriteInstant } from './views/instant.ts'
import type { WebhookSecrets } from './webhooks/secrets.ts'

export interface OrchestratorDeps {
  engine: Engine
  /** The Store of the engine: for what stands beside jobs. */
  store: Pick<
    Store,
    | 'now'
    | 'putRecords'
    | 'getRecords'
    | 'listRecords'
    | 'dropRecords'
    | 'draw'
    | 'stats'
    | 'held'
    | 'feed'
    | 'feedEnd'
    | 'subscribe'
  >
  scheduler: Scheduler
  webhookSecrets: WebhookSecrets
  approvalLinks: ApprovalLinks
  /** Blueprints over the API. */
  registered: RegisteredBlueprints
  metrics: Metrics
  /** The history archive; absent: there is none. */
  archive?: HistoryArchive
  /** The trace context that a job of this request gets; absent: that of the request, as it came. */
  traceOf?: (request: FastifyRequest) => string | null
  clients: ClientDirectory
  workers: WorkerDirectory
  log: Logger
  settings?: Partial<OrchestratorSettings>
  reloader: Reloader
  /** Absent: plain HTTP. */
  tls?: TlsFiles
  /** The token that a worker has at present, which its messages are signed with; null: none. Absent: nothing is signed. */
  secretOf?: (worker: string) => string | null
  /** Where the short-lived tokens of workers are kept; absent: in the Store. */
  records?: Pick<Store, 'now' | 'putRecords' | 'getRecords' | 'listRecords' | 'dropRecords'>
  /** Milliseconds since the epoch; for tests. */
  now?: () => number
  /** Absent where there is nowhere to keep files. */
  files?: JobFiles
}

/** Where the files of jobs lie. */
export interface JobFiles {
  objects: ObjectStore
  /** As addresses name it. */
  bucket: string
  maxUploadBytes: number
  /** Beginnings of keys that the tasks of every client may read where their params name them: `datasets/`, say. */
  sharedPrefixes?: string[]
  /** Of the local folder, whose presigned addresses begin with `<public url>/_public/objects`; S3 answers its own. */
  verifyPresigned?: (url: string, method: string) => PresignVerdict
}

/** The same, completed by the server. */
export interface RouteDeps extends Omit<OrchestratorDeps, 'settings'> {
  settings: OrchestratorSettings
  parking: Parking
  clientLimit: ClientLimit
  instant: WriteInstant
}
