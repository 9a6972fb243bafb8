/** A skill: the name under which work is handed out, the shape of its params, and the function that does it. */
import type { JsonObject } from '@tutti/contracts'
import { InvalidInputError } from './errors.ts'
import type { HotCache } from './hot-cache.ts'
import { describeIssue, type Schema } from './schema.ts'

/** What a work function knows of its task, and how it talks back while it runs. */
export interface Task {
  readonly taskId: string
  readonly jobId: string
  readonly skill: string
  /** Which try this is, from 1. */
  readonly attempt: number
  readonly priority: number
  /** After this instant, on this machine's clock, the result is refused. */
  readonly deadline: Date | null
  /** The W3C trace context that this task belongs under; null: nobody traces. See `@tutti/worker/opentelemetry`. */
  readonly traceparent: string | null
  /** Aborted when the task is cancelled, its deadline passes, its lease is lost, or the worker is stopped. */
  readonly signal: AbortSignal
  /** What this worker has warmed up: see `warmWith` of a skill. */
  readonly hot: HotCache
  /** Tells how far the work is, from 0 to 1. Throttled; a lost update never fails the task. */
  progress(fraction: number, message?: string): void
  /**
   * Tells anything else: it comes into the job's log, and a blueprint may react to it. Resolves when the orchestrator has it; it counts
   * once. Rejects when it can't be delivered, or with ContractViolationError when it isn't as the skill declares (`events`).
   */
  sendEvent(type: string, payload?: JsonObject): Promise<void>
  /** This run's own folder. What the result names in it is sent to object storage; it is gone afterwards. */
  folder(): Promise<string>
}

export interface Skill {
  /** Names that the worker must have warmed up (`task.hot.add`) for the skill to count as warm. */
  readonly warmWith?: readonly string[] | undefined
  /** What the payloads of its events look like, by type. */
  readonly events?: Readonly<Record<string, Schema<unknown>>> | undefined
  /** False: addresses of files in the params are left as they are. */
  readonly files?: boolean | undefined
  /** Checks the params, then runs the work. */
  readonly execute: (params: unknown, task: Task) => Promise<unknown>
}

interface SkillOptions {
  warmWith?: readonly string[]
  events?: Readonly<Record<string, Schema<unknown>>>
  files?: boolean
}

export interface SkillDefinition<T> extends SkillOptions {
  params: Schema<T>
  /** Returns JSON data, or an `outcome(…)`. */
  run: (params: T, task: Task) => unknown
}

/** Without a schema the params are what came: JSON, and nothing more is known of them. */
export interface UncheckedSkillDefinition extends SkillOptions {
  params?: undefined
  run: (params: JsonObject, task: Task) => unknown
}

/** Params that don't fit their schema fail the job as INVALID_INPUT_ERROR; `run` isn't called. Without one nothing is checked. */
export function skill<T>(definition: SkillDefinition<T>): Skill
export function skill(definition: UncheckedSkillDefinition): Skill
export function skill<T>({ params, run, ...rest }: SkillDefinition<T> | UncheckedSkillDefinition): Skill {
  return {
    ...rest,
    execute: async (raw, task) => {
      if (params === undefined) return await (run as UncheckedSkillDefinition['run'])(raw as JsonObject, task)
      const checked = await params['~standard'].validate(raw)
      if (checked.issues !== undefined)
        throw new InvalidInputError(checked.issues.map((issue) => describeIssue(issue, 'params')).join('; '))
      return await (run as SkillDefinition<T>['run'])(checked.value, task)
    },
  }
}
