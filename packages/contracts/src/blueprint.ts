/**
 * Blueprints as JSON, format `tutti/v1`: a state machine whose states each have one action. Where a value is asked for, it may hold
 * `{"$expr": "…"}` (an expression of CEL, anywhere inside), texts with `{{ … }}`, and `{"$literal": …}` for what is to stay as it is.
 */
import { z } from 'zod'
import { json, jsonObject } from './json.ts'

export const BLUEPRINT_FORMAT = 'tutti/v1'

/** What a document may be: a stranger can send one. */
export const blueprintLimits = {
  /** Length of the document as JSON text. */
  bytes: 262_144,
  /** Objects and lists inside one another. */
  depth: 40,
  states: 200,
  /** Characters of one expression. */
  expression: 2_000,
  /** Tasks of one `parallel`. */
  tasks: 1_000,
} as const

const stateName = z.string().min(1).max(128)
const expression = z.string().min(1).max(blueprintLimits.expression)
const text = z.string().max(100_000)
const duration = z.union([
  z.number().nonnegative().max(31_536_000_000),
  z.string().regex(/^\d{1,12}(\.\d{1,6})?(ms|s|m|h|d)$/, 'write 500ms, 30s, 5m, 2h or 2d'),
])
/** By outcome: `success`, `failure`, `cancelled`, `timeout`, a decision, or a status of the worker's own. */
const routes = z.record(z.string().min(1).max(64), stateName)

const retry = z.strictObject({
  attempts: z.int().min(1).max(1000).optional(),
  backoff: z.enum(['exponential', 'fixed']).optional(),
  initial: duration.optional(),
  max: duration.optional(),
  /** Keeps the next try off the workers that failed. */
  elsewhere: z.boolean().optional(),
  /** So many tries may be lost with workers that fell silent, beside the attempts; left out, a lost try counts as a failed one. */
  losses: z.int().min(0).max(1000).optional(),
})

const taskFields = {
  skill: text.min(1),
  params: json.default({}),
  timeout: duration.optional(),
  retry: retry.optional(),
  priority: z.number().min(-1000).max(1000).optional(),
  concurrency_key: text.optional(),
  concurrency_limit: z.int().min(1).optional(),
  fair_key: text.optional(),
  /** Longest wait for a worker, and longest time to a result over all tries. */
  pickup_timeout: duration.optional(),
  result_timeout: duration.optional(),
  /** What the worker must have; see the guide for blueprints. */
  needs: jsonObject.optional(),
  strategy: z.enum(['default', 'round_robin', 'least_connections', 'cheapest', 'best_value', 'overflow']).optional(),
  max_cost: z.number().nonnegative().optional(),
  sticky: z.union([z.literal(true), stateName]).optional(),
  avoid: z.union([z.literal(true), stateName]).optional(),
}

const actions = {
  go_to: z.union([stateName, z.strictObject({ to: stateName, data: json.optional() })]).optional(),
  dispatch: z.strictObject({ ...taskFields, on: routes, on_event: routes.optional() }).optional(),
  parallel: z
    .strictObject({
      /** Written out, or one `task` for each member of a list. */
      tasks: z.array(z.strictObject(taskFields)).max(blueprintLimits.tasks).optional(),
      each: expression.optional(),
      task: z.strictObject(taskFields).optional(),
      into: stateName,
      fail_fast: z.boolean().optional(),
      concurrency: z.int().min(1).optional(),
      /** Goes on as soon as so many have succeeded. */
      quorum: z.int().min(1).optional(),
    })
    .refine((given) => (given.tasks === undefined) !== (given.each === undefined || given.task === undefined), {
      message: 'give either `tasks`, or `each` and `task`',
    })
    .optional(),
  approval: z
    .strictObject({
      message: text,
      on: routes,
      timeout: duration.optional(),
      assignees: z.array(text).max(100).optional(),
      escalate: z
        .array(z.strictObject({ after: duration, to: text }))
        .max(20)
        .optional(),
    })
    .optional(),
  run_blueprint: z
    .strictObject({ name: text.min(1), input: json.default({}), on: routes, timeout: duration.optional() })
    .optional(),
  wait_for_event: z
    .strictObject({
      name: text.min(1),
      on: z.strictObject({ event: stateName, timeout: stateName.optional() }),
      timeout: duration.optional(),
    })
    .optional(),
  /** For so long, or until an instant: a text such as 2030-01-01T00:00:00Z. */
  sleep: z
    .strictObject({ for: duration.optional(), until: json.optional(), to: stateName })
    .refine((given) => (given.for === undefined) !== (given.until === undefined), { message: 'give `for` or `until`' })
    .optional(),
  agent: z
    .strictObject({
      prompt: text.min(1),
      config: json.default({}),
      /** Whether its agent may ask a person. */
      attended: z.boolean().optional(),
      timeout: duration.optional(),
      retry: retry.optional(),
      on: routes,
    })
    .optional(),
  finish: z.strictObject({ output: json.optional() }).optional(),
  /** In a state of `undo`: done with it. */
  undone: z.strictObject({}).optional(),
  fail: z.strictObject({ message: text.min(1), code: z.string().min(1).max(64).optional() }).optional(),
}

export type BlueprintActionKind = keyof typeof actions
export const blueprintActionKinds = Object.keys(actions) as BlueprintActionKind[]

const kindsOf = (given: Record<string, unknown>): string[] =>
  blueprintActionKinds.filter((kind) => given[kind] !== undefined)
const oneAction = `give exactly one of ${blueprintActionKinds.join(', ')}`

const condition = z
  .strictObject({ if: expression, name: z.string().min(1).max(128).optional(), ...actions })
  .refine((given) => kindsOf(given).length === 1, oneAction)

const state = z
  .strictObject({
    description: z.string().max(4_000).optional(),
    /** Asked in their order before the state's own action; the first that is true is taken. */
    when: z.array(condition).max(50).optional(),
    /** The state of `undo` that takes back what this one did. */
    undo: stateName.optional(),
    ...actions,
  })
  .refine((given) => kindsOf(given).length === 1 || (kindsOf(given).length === 0 && (given.when?.length ?? 0) > 0), {
    message: `${oneAction}; or none of them, and \`when\``,
  })

export const blueprintDocument = z.strictObject({
  format: z.literal(BLUEPRINT_FORMAT),
  name: z.string().min(1).max(128),
  version: z.int().min(1).default(1),
  description: z.string().max(4_000).optional(),
  endpoint: z.string().max(256).optional(),
  /** JSON Schemas. */
  input: jsonObject.optional(),
  output: jsonObject.optional(),
  events: z.record(z.string().min(1).max(128), jsonObject).optional(),
  skills: z
    .record(
      z.string().min(1).max(128),
      z.strictObject({ params: jsonObject.optional(), result: jsonObject.optional() }),
    )
    .optional(),
  start: stateName,
  states: z.record(stateName, state),
  /** States that are only entered to take back what others did. */
  undo: z.record(stateName, state).optional(),
  ends: z.record(
    stateName,
    z.strictObject({ outcome: z.enum(['finished', 'failed']).default('finished'), output: json.optional() }),
  ),
})
export type BlueprintDocument = z.input<typeof blueprintDocument>
export type CheckedBlueprintDocument = z.output<typeof blueprintDocument>
