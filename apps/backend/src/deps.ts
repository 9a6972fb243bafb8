/** What the routes are given. */
import type { ModelCatalogue } from '@tutti/config'
import type { LocalObjects } from '@tutti/objects'
import type { Logger } from '@tutti/telemetry'
import type { Workbench } from '@tutti/workbench'
import type { OpenRequests } from './http/open-requests.ts'
import type { BackendSettings, GivenSettings } from './settings.ts'

export interface BackendDeps {
  workbench: Workbench
  objects: Pick<LocalObjects, 'get' | 'head' | 'put' | 'presignGet' | 'verifyPresigned'>
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
