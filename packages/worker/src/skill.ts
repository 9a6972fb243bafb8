/** A skill: the name under which work is handed out, the shape of its params, and the function that does it. */
import { InvalidInputError } from './errors.ts'
import type { HotCache } from './hot-cache.ts'

interface Issue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}
type Validated<T> = { readonly value: T; readonly issues?: undefined } | { readonly issues: readonly Issue[] }

/** A zod schema, or any other that implements Standard Schema: the SDK brings no validator and ties nobody to one. */
export interface ParamsSchema<T> {
  readonly '~standard': { readonly validate: (value: unknown) => Validated<T> | Promise<Validated<T>> }
}

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
}

export interface Skill {
  /** Names that the worker must have warmed up (`task.hot.add`) for the skill to count as warm. */
  readonly warmWith?: readonly string[] | undefined
  /** Checks the params, then runs the work. */
  readonly execute: (params: unknown, task: Task) => Promise<unknown>
}

export interface SkillDefinition<T> {
  params: ParamsSchema<T>
  warmWith?: readonly string[]
  /** Returns JSON data, or an `outcome(…)`. */
  run: (params: T, task: Task) => unknown
}

/** Params that don't fit fail the job as INVALID_INPUT_ERROR; `run` isn't called. */
export const skill = <T>({ params, run, warmWith }: SkillDefinition<T>): Skill => ({
  warmWith,
  execute: async (raw, task) => {
    const checked = await params['~standard'].validate(raw)
    if (checked.issues !== undefined) throw new InvalidInputError(checked.issues.map(describeIssue).join('; '))
    return await run(checked.value, task)
  },
})

const describeIssue = ({ path = [], message }: Issue): string => {
  const where = ['params', ...path.map((part) => String(typeof part === 'object' ? part.key : part))].join('.')
  return `${where}: ${message}`
}
