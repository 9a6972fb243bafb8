/** What a handler sees and what it can do. The action constructors make data; nothing happens until the handler returns one. */
import type { AgentRunParams, Json, JsonObject } from '@tutti/contracts'
import { AGENT_SKILL } from '@tutti/contracts'
import { type Duration, toMs } from '../job/duration.ts'
import type { Job, LastOutcome } from '../job/job.ts'
import { chooseRetry, type RetryOptions } from '../job/retry.ts'
import type { Action, TaskSpec } from './action.ts'

declare const leadsTo: unique symbol
/** An action that remembers, for the compiler only, which states it can lead to. */
export type TypedAction<To extends string> = Action & { readonly [leadsTo]?: (to: To) => To }

export interface TaskOptions {
  /** Longest time one try may take, from hand-out. */
  timeout?: Duration
  retry?: RetryOptions
  priority?: number
  /** At most one task of a key is open at a time. */
  concurrencyKey?: string
}

/** By outcome: `success`, `failure`, `cancelled`, or a status of the worker's own. Without `failure` a failure ends the job. */
export type Routes<To extends string> = { success?: To; failure?: To; cancelled?: To } & {
  [status: string]: To | undefined
}

export interface EndContext<I> {
  readonly job: { id: string; client: string; createdAt: Date }
  /** Who owns the job, as the configuration knew it when the job was made. */
  readonly client: { id: string; plan: string | null; params: JsonObject }
  readonly input: I
  /** What `goTo(…, data)` and the results of single tasks have added so far. */
  readonly data: JsonObject
  /** Results of the last `parallel`, in the order of its tasks; null where a branch failed. */
  readonly results: Json[]
  /** How the action that led here came out. */
  readonly last: LastOutcome | null
}

export interface Context<I, To extends string> extends EndContext<I> {
  /** Aborted when the handler has run too long. */
  readonly signal: AbortSignal
  /** On to another state at once, adding `data` to the job's. */
  goTo(state: To, data?: object): TypedAction<To>
  /** Hands one task to a worker that has the skill. An object it answers is added to `data`. */
  dispatch(skill: string, params: object, options: TaskOptions & { on: Routes<To> }): TypedAction<To>
  /** Hands out many tasks; goes on when all are done, or with `failFast` when the first fails. */
  parallel(tasks: TaskSpec[], options: { into: To; failFast?: boolean; concurrency?: number }): TypedAction<To>
  /** Waits for a person. Without `on.timeout` a time-out fails the job. */
  approval(options: { message: string; on: Record<string, To>; timeout?: Duration }): TypedAction<To>
  /** Runs an agent in a sandbox: a task of skill `agent.run`, with a day's time unless told otherwise. Its answer is an AgentResult. */
  agent(options: AgentRunParams & TaskOptions & { on: Routes<To> }): TypedAction<To>
  /** Runs another blueprint as a child; its output comes back in `last.data`. */
  runBlueprint(name: string, input: object, options: { on: Routes<To> }): TypedAction<To>
  finish(output?: unknown): TypedAction<To>
  fail(message: string, code?: string): TypedAction<To>
}

/** A task for `parallel`. */
export const task = (skill: string, params: object, options: TaskOptions = {}): TaskSpec => ({
  skill,
  params: plain(params) as JsonObject,
  priority: options.priority ?? null,
  timeoutMs: options.timeout === undefined ? null : toMs(options.timeout),
  concurrencyKey: options.concurrencyKey ?? null,
  retry: options.retry ? chooseRetry(options.retry) : null,
})

/**
 * JSON as it will be when read back. Actions are stored: a Date or an undefined that survived until the next restart
 * only would make handlers behave differently after a crash.
 */
export const plain = (value: unknown): Json =>
  value === undefined ? null : (JSON.parse(JSON.stringify(value)) as Json)

const routes = (on: Record<string, string | undefined>): Record<string, string> =>
  Object.fromEntries(Object.entries(on).filter((route): route is [string, string] => route[1] !== undefined))

export interface ContextDeps {
  signal: AbortSignal
  /** Finds the child blueprint of `runBlueprint` and checks its input. @throws when it is not loaded or refuses the input */
  child: (name: string, input: JsonObject) => { version: number; start: string; input: JsonObject }
  /** Called for each action made, so that a handler that makes two can be told. */
  made: (action: Action) => void
}

/** What of the job a handler may read. Each part is copied when it is first read, as handlers may write to what they get. */
export const endContext = (job: Job): EndContext<JsonObject> => {
  const [input, data, results, last] = [copied(job.input), copied(job.data), copied(job.results), copied(job.last)]
  const client = copied({ id: job.client, ...job.clientFacts })
  return {
    job: { id: job.id, client: job.client, createdAt: new Date(job.createdAt) },
    get client() {
      return client()
    },
    get input() {
      return input()
    },
    get data() {
      return data()
    },
    get results() {
      return results()
    },
    get last() {
      return last()
    },
  }
}

const copied = <T>(value: T): (() => T) => {
  let copy: T | undefined
  return () => {
    copy ??= structuredClone(value)
    return copy
  }
}

export const handlerContext = (job: Job, deps: ContextDeps): Context<JsonObject, string> => {
  const make = (action: Action): Action => {
    deps.made(action)
    return action
  }
  const actions: Omit<Context<JsonObject, string>, keyof EndContext<JsonObject>> = {
    signal: deps.signal,
    goTo: (to, data) => make({ kind: 'go_to', to, data: data ? (plain(data) as JsonObject) : null }),
    dispatch: (skill, params, { on, ...options }) =>
      make({ kind: 'dispatch', task: task(skill, params, options), on: routes(on) }),
    parallel: (tasks, { into, failFast = false, concurrency }) => {
      if (concurrency !== undefined && !(concurrency >= 1))
        throw new RangeError(`parallel: concurrency must be at least 1, not ${concurrency}: nothing would ever run`)
      return make({ kind: 'parallel', tasks, into, failFast, concurrency: concurrency ?? null })
    },
    approval: ({ message, on, timeout }) =>
      make({ kind: 'approval', message, on: routes(on), timeoutMs: timeout === undefined ? null : toMs(timeout) }),
    // A turn may rightly take hours: the time-out of ordinary tasks would end it in the middle.
    agent: ({ on, timeout = '1d', retry, priority, concurrencyKey, ...params }) =>
      actions.dispatch(AGENT_SKILL, params, {
        on,
        timeout,
        ...(retry === undefined ? {} : { retry }),
        ...(priority === undefined ? {} : { priority }),
        ...(concurrencyKey === undefined ? {} : { concurrencyKey }),
      }),
    runBlueprint: (name, input, { on }) =>
      make({
        kind: 'run_blueprint',
        blueprint: name,
        ...deps.child(name, plain(input) as JsonObject),
        on: routes(on),
      }),
    finish: (output) => make({ kind: 'finish', output: plain(output) }),
    fail: (message, code = 'FAILED') => make({ kind: 'fail', error: { code, message }, output: null }),
  }
  // Not spread: that would read, and so copy, every part for every handler.
  return Object.defineProperties(actions, Object.getOwnPropertyDescriptors(endContext(job))) as Context<
    JsonObject,
    string
  >
}
