/** Running the blueprint's own code: the only place where it happens. */
import type { JobError, JsonObject } from '@tutti/contracts'
import { type Action, targets } from '../blueprint/action.ts'
import type { StateDefinition } from '../blueprint/blueprint.ts'
import { type ContextDeps, endContext, handlerContext, plain } from '../blueprint/context.ts'
import { checkInput } from '../blueprint/input.ts'
import type { BlueprintRegistry } from '../blueprint/registry.ts'
import type { Cause } from '../job/cause.ts'
import type { Job } from '../job/job.ts'
import type { After } from './after.ts'

/** How a handler came out, before anybody decided what to do about it. */
export type HandlerOutcome =
  | { type: 'acted'; action: Action; undo: string | null }
  | { type: 'threw'; error: JobError; retryable: boolean }

export const asCause = (outcome: HandlerOutcome, lease: number | null): Cause => ({ ...outcome, lease })

export interface HandlersDeps {
  blueprints: BlueprintRegistry
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

/** A fault of the blueprint itself: trying again would only repeat it. */
class BlueprintFault extends Error {}

export const createHandlers = ({ blueprints, after, timeoutMs, maxConcurrent }: HandlersDeps): Handlers => {
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
        const action = await Promise.race([act(blueprints, job, abort.signal), timeout])
        return { type: 'acted', action, undo: undoOf(blueprints, job) }
      } catch (thrown) {
        const fault = thrown instanceof BlueprintFault
        const message = thrown instanceof Error ? thrown.message : String(thrown)
        return {
          type: 'threw',
          error: { code: fault ? 'BLUEPRINT_ERROR' : 'HANDLER_FAILED', message },
          retryable: !fault,
        }
      } finally {
        stopClock()
        slots.release()
      }
    },
  }
}

const undoOf = (blueprints: BlueprintRegistry, job: Job): string | null => {
  const state: (StateDefinition & { undo?: string | null }) | undefined = blueprints
    .get(job.blueprint, job.version)
    ?.state(job.state)
  return state?.undo ?? null
}

const act = async (blueprints: BlueprintRegistry, job: Job, signal: AbortSignal): Promise<Action> => {
  const blueprint = blueprints.get(job.blueprint, job.version)
  if (!blueprint) throw new BlueprintFault(`the blueprint "${job.blueprint}" v${job.version} is not loaded here`)
  const end = blueprint.endState(job.state)
  if (end) {
    const output = end.output ? plain(await end.output(endContext(job))) : job.data
    if (end.outcome === 'finished') return { kind: 'finish', output }
    const error = job.last?.error ?? { code: 'FAILED', message: `the job ended in "${end.name}"` }
    return { kind: 'fail', error, output }
  }
  const state = blueprint.state(job.state)
  if (!state) throw new BlueprintFault(`"${job.blueprint}" v${job.version} has no state "${job.state}"`)
  const made: Action[] = []
  const child = (name: string, input: JsonObject) => startOf(blueprints, name, input)
  const action = await state.run(handlerContext(job, { signal, child, made: (each) => made.push(each) }))
  if (!action)
    throw new BlueprintFault(`the handler of "${job.state}" returned no action: it must return one of the context's`)
  if (made.length > 1)
    throw new BlueprintFault(`the handler of "${job.state}" made ${made.length} actions: return exactly one`)
  const stray = targets(action).find((target) => !state.to.includes(target))
  if (stray !== undefined)
    throw new BlueprintFault(`the state "${job.state}" leads to "${stray}", which its \`to\` does not declare`)
  return action
}

const startOf = (blueprints: BlueprintRegistry, name: string, given: JsonObject): ReturnType<ContextDeps['child']> => {
  const blueprint = blueprints.get(name)
  if (!blueprint) throw new BlueprintFault(`the child blueprint "${name}" is not loaded here`)
  const checked = checkInput(blueprint, given)
  if ('fault' in checked)
    throw new BlueprintFault(
      `the child blueprint "${name}" refuses its input: ${checked.fault} at ${['input', ...checked.path].join('.')}`,
    )
  return { version: blueprint.version, start: blueprint.start, input: checked.input }
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
