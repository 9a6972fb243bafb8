import type { JsonObject } from '@tutti/contracts'
import type { Middleware } from './middleware.ts'
import type { Skill } from './skill.ts'

/** What a worker can do, apart from where it runs. */
export interface WorkerDefinition {
  skills: Record<string, Skill>
  /** Tasks at a time; 10 unless told. */
  concurrency?: number | undefined
  /** Tasks at a time of one skill. A task beyond it waits in the worker and holds one of the worker's slots. */
  perSkill?: Record<string, number> | undefined
  /** Done around every task; the first is the outermost. */
  middleware?: readonly Middleware[] | undefined
  /** Asked before each poll and sign of life: false keeps tasks of this skill away for now. */
  hasRoom?: ((skill: string) => boolean) | undefined
  /** Kind of worker, for people. */
  type?: string | undefined
  /** More fields of the registration: `resources`, `cost_per_skill`, `labels`. */
  describe?: JsonObject | undefined
}

/** Default export of a worker file; see `runWorkerFile`. */
export const defineWorker = (definition: WorkerDefinition): WorkerDefinition => definition
