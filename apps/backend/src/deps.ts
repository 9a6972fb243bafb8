/** What the routes are given. */
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
  version?: string
}

export interface RouteDeps extends Omit<BackendDeps, 'config'> {
  config: BackendSettings
  open: OpenRequests
}
