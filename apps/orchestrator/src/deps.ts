/** What the routes are given. */
import type { ClientDirectory, Fault, WorkerDirectory } from '@tutti/config'
import type { Engine } from '@tutti/engine'
import type { ObjectStore, PresignVerdict } from '@tutti/objects'
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
  /** Reads workers.toml again and gives it to the directory; answers what is wrong with it. Absent when there is no such file. */
  reloadWorkers?: () => readonly Fault[]
  /** Absent where there is nowhere to keep files. */
  files?: JobFiles
}

/** Where the files of jobs lie. */
export interface JobFiles {
  objects: ObjectStore
  /** As addresses name it. */
  bucket: string
  maxUploadBytes: number
  /** Of the local folder, whose presigned addresses begin with `<public url>/_public/objects`; S3 answers its own. */
  verifyPresigned?: (url: string, method: string) => PresignVerdict
}

/** The same, completed by the server. */
export interface RouteDeps extends Omit<OrchestratorDeps, 'settings'> {
  settings: OrchestratorSettings
  parking: Parking
  instant: WriteInstant
}
