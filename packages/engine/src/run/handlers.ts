/** Running the blueprint's own code: the only place where it happens. */
import type { JobError, JsonObject } from '@tutti/contracts'
import { type Action, isChild, targets } from '../blueprint/action.ts'
import type { ConditionalHandler, Handler, HandlerContext, StateDefinition } from '../blueprint/blueprint.ts'
import { type ContextDeps, endContext, handlerContext, plain } from '../blueprint/context.ts'
import { BlueprintFault } from '../blueprint/fault.ts'
import { noFiles, type TaskFiles } from '../blueprint/files.ts'
import { checkInput, checkOutput, checkParams, faultAt } from '../blueprint/input.ts'
import type { BlueprintRegistry, LoadedBlueprint } from '../blueprint/registry.ts'
import type { Cause } from '../job/cause.ts'
import type { Job } from '../job/job.ts'
import type { After } from './after.ts'
import type { DataStores } from './data-stores.ts'

/** How a handler came out, before anybody decided what to do about it. */
export type HandlerOutcome =
  | { type: 'acted'; action: Action; undo: string | null }
  | { type: 'threw'; error: JobError; retryable: boolean }

export const asCause = (outcome: HandlerOutcome, lease: number | null): Cause => ({ ...outcome, lease })

export interface HandlersDeps {
  blueprints: BlueprintRegistry
  dataStores: DataStores
  /** The files of a job; null where the server has no place for them. */
  files: ((job: Job) => TaskFiles) | null
  after: After
  timeoutMs: number
  maxConcurrent: number
}

export interface Handlers {
  /** Whether this instance has the code of the job's blueprint and version. */
  knows(job: Job): boolean
  /** Runs the handler of the job's state. Never rejects. */
  run(job: Job): Promise<HandlerOutcome>
}

export const createHandlers = (deps: HandlersDeps): Handlers => {
  const { blueprints, after, timeoutMs, maxConcurrent } = deps
  const slots = createSemaphore(maxConcurrent)
  return {
    knows: (job) => blueprints.get(job.blueprint, job.version) !== undefined,
    run: async (job) => {
      await slots.acquire()
      const abort = new AbortController()
      let stopClock = () => {}
      try {
        const timeout = new Promise<never>((_, reject) => {
          stopClock = after(timeoutMs, () => {
            abort.abort()
            reject(new Error(`the handler of "${job.state}" ran longer than ${timeoutMs / 1000} s`))
          })
        })
        const action = await Promise.race([act(deps, job, abort.signal), timeout])
        return { type: 'acted', action, undo: undoOf(blueprints, job) }
      } catch (thrown) {
        const fault = thrown instanceof BlueprintFault
        const message = thrown instanceof Error ? thrown.message : String(thrown)
        return {
          type: 'threw',
          error: { code: fault ? thrown.code : 'HANDLER_FAILED', message },
          retryable: !fault,
        }
      } finally {
        stopClock()
        slots.release()
      }
    },
  }
}

const undoOf = (blueprints: BlueprintRegistry, job: Job): string | null =>
  blueprints.get(job.blueprint, job.version)?.state(job.state)?.undo ?? null

const act = async (deps: HandlersDeps, job: Job, signal: AbortSignal): Promise<Action> => {
  const blueprint = deps.blueprints.get(job.blueprint, job.version)
  if (!blueprint) throw new BlueprintFault(`the blueprint "${job.blueprint}" v${job.version} is not loaded here`)
  const end = blueprint.endState(job.state)
  if (end) {
    const output = end.output ? plain(await end.output(endContext(job))) : job.data
    if (end.outcome === 'finished') return checked(blueprint, { kind: 'finish', output })
    const error = job.last?.error ?? { code: 'FAILED', message: `the job ended in "${end.name}"` }
    return { kind: 'fail', error, output }
  }
  const state = blueprint.state(job.state)
  if (!state) throw new BlueprintFault(`"${job.blueprint}" v${job.version} has no state "${job.state}"`)
  const { run, to } = choose(state, job)
  return checked(blueprint, await runOne(deps, blueprint, job, signal, run, to))
}

/** The first conditional handler whose predicate holds, else the default one. */
const choose = (state: StateDefinition, job: Job): { run: Handler; to: readonly string[] } => {
  const context = state.conditions.length === 0 ? null : endContext(job)
  const chosen = state.conditions.find((condition) => context && holds(condition, state, context))
  if (chosen) return chosen
  if (state.run) return { run: state.run, to: state.to }
  throw new BlueprintFault(
    `no condition of "${state.name}" holds (${state.conditions.map((each) => each.name).join(', ')}), and it has no default handler`,
  )
}

/**
 * A throw is not taken for "no": it would send the job down another branch, paid without a review, where a person can mend the fault and
 * the job has lost nothing. For the same reason only true and false are answers: a promise would always hold.
 */
const holds = (
  condition: ConditionalHandler,
  state: StateDefinition,
  context: ReturnType<typeof endContext>,
): boolean => {
  const answer: unknown = condition.when(context)
  if (typeof answer === 'boolean') return answer
  throw new BlueprintFault(
    `the condition "${condition.name}" of "${state.name}" answered ${typeof answer}: it must answer true or false at once`,
  )
}

const runOne = async (
  deps: HandlersDeps,
  blueprint: LoadedBlueprint,
  job: Job,
  signal: AbortSignal,
  run: Handler,
  to: readonly string[],
): Promise<Action> => {
  const made: Action[] = []
  const child = (name: string, input: JsonObject) => startOf(deps.blueprints, name, input)
  const context = handlerContext(job, { signal, child, made: (each) => made.push(each) })
  // A handler that was given up may still use its stores: they are let go of when it has really ended.
  const { stores, release } = await deps.dataStores.use(blueprint)
  let files: TaskFiles | undefined
  Object.assign(context, { stores })
  Object.defineProperty(context, 'files', {
    get: () => {
      files ??= deps.files?.(job) ?? noFiles
      return files
    },
    enumerable: true,
  })
  try {
    const action = await run(context as HandlerContext<JsonObject, string, Record<string, unknown>>)
    if (!action)
      throw new BlueprintFault(`the handler of "${job.state}" returned no action: it must return one of the context's`)
    if (made.length > 1)
      throw new BlueprintFault(`the handler of "${job.state}" made ${made.length} actions: return exactly one`)
    const stray = targets(action).find((target) => !to.includes(target))
    if (stray !== undefined)
      throw new BlueprintFault(`the state "${job.state}" leads to "${stray}", which its \`to\` does not declare`)
    return action
  } finally {
    release()
  }
}

/** The action as the blueprint's own schemas leave it. */
const checked = (blueprint: LoadedBlueprint, action: Action): Action => {
  if (action.kind === 'finish') {
    const output = checkOutput(blueprint, action.output)
    if ('value' in output) return { ...action, output: output.value }
    const message = `the output does not fit the blueprint's schema: ${faultAt(output, 'output')}`
    return { kind: 'fail', error: { code: 'OUTPUT_INVALID', message }, output: action.output }
  }
  if (action.kind === 'dispatch') return { ...action, task: checkedTask(blueprint, action.task, 'params') }
  if (action.kind === 'parallel')
    return {
      ...action,
      tasks: action.tasks.map((task, at) =>
        isChild(task) ? task : checkedTask(blueprint, task, `tasks.${at}.params`),
      ),
    }
  return action
}

const checkedTask = <T extends { skill: string; params: JsonObject }>(
  blueprint: LoadedBlueprint,
  task: T,
  path: string,
): T => {
  const params = checkParams(blueprint, task.skill, task.params)
  if ('value' in params) return { ...task, params: params.value as JsonObject }
  throw new BlueprintFault(
    `the params of "${task.skill}" do not fit the schema that "${blueprint.name}" declares: ${faultAt(params, path)}`,
  )
}

const startOf = (blueprints: BlueprintRegistry, name: string, given: JsonObject): ReturnType<ContextDeps['child']> => {
  const blueprint = blueprints.get(name)
  if (!blueprint) throw new BlueprintFault(`the child blueprint "${name}" is not loaded here`)
  const input = checkInput(blueprint, given)
  if ('fault' in input)
    throw new BlueprintFault(`the child blueprint "${name}" refuses its input: ${faultAt(input, 'input')}`)
  return { version: blueprint.version, start: blueprint.start, input: input.input }
}

const createSemaphore = (size: number): { acquire(): Promise<void>; release(): void } => {
  let free = size
  const queue: (() => void)[] = []
  return {
    acquire: () => {
      if (free > 0) {
        free -= 1
        return Promise.resolve()
      }
      return new Promise((resolve) => queue.push(resolve))
    },
    release: () => {
      const next = queue.shift()
      if (next) next()
      else free += 1
    },
  }
}
