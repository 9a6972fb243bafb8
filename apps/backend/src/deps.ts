/** What the routes are given. */
import type { ModelCatalogue } from '@tutti/config'
import type { LocalObjects, ObjectStore } from '@tutti/objects'
import type { Logger } from '@tutti/telemetry'
import type { Workbench } from '@tutti/workbench'
import type { OpenRequests } from './http/open-requests.ts'
import type { BackendSettings, GivenSettings } from './settings.ts'

/** Presigned addresses lead to the storage itself; only those of a local folder lead here, and are verified here. */
export type BackendObjects = ObjectStore & Partial<Pick<LocalObjects, 'verifyPresigned'>>

export interface BackendDeps {
  workbench: Workbench
  objects: BackendObjects
  config: GivenSettings
  log: Logger
  /** Without: GET /models knows none. */
  models?: Pick<ModelCatalogue, 'defaultModel' | 'models' | 'providers' | 'providerOf' | 'priceOf'>
  version?: string
}

export interface RouteDeps extends Omit<BackendDeps, 'config'> {
  config: BackendSettings
  open: OpenRequests
}
