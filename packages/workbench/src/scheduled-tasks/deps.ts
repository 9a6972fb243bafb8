import type { Scheduler } from '@tutti/engine'
import type { WorkbenchDeps } from '../deps.ts'

export interface ScheduledTaskDeps extends WorkbenchDeps {
  scheduler: Scheduler
  /** The engine's clock, in milliseconds since the epoch. */
  now: () => number
}
