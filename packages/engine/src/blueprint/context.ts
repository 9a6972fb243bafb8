/** What a handler sees and what it can do. The action constructors make data; nothing happens until the handler returns one. */
import {
  AGENT_LOSSES,
  AGENT_RUN,
  AGENT_SKILL,
  type AgentRunParams,
  agentRunParams,
  type Json,
  type JsonObject,
} from '@tutti/contracts'
import { z } from 'zod'
import { copyJson } from '../job/copy-json.ts'
import { type Duration, toMs } from '../job/duration.ts'
import type { BranchOutcome, Ending, Job, LastOutcome } from '../job/job.ts'
import type { Needs, Strategy } from '../job/needs.ts'
import { chooseRetry, type RetryOptions } from '../job/retry.ts'
import type { Action, ChildSpec, TaskSpec } from './action.ts'
import { zodCheck } from './check.ts'
import { BlueprintFault } from './fault.ts'

declare const leadsTo: unique symbol
/** An action that remembers, for the compiler only, which states it can lead to. */
export type TypedAction<To extends string> = Action & { readonly [leadsTo]?: (to: To) => To }

export type AgentOptions = AgentRunParams & {
  /** What its answer must be, which comes back as `output`: a zod schema or a JSON Schema. The same as `config.output_schema`. */
  output?: z.ZodType | JsonObject
}

export interface TaskOptions {
  /** Longest time one try may take, from hand-out. */
  timeout?: Duration
  retry?: RetryOptions
  /** Higher first. Default: the job's. */
  priority?: number
  /** What the worker must have. */
  needs?: Needs
  /** Which of several waiting workers gets it. */
  strategy?: Strategy
  /** The highest price of the skill that is paid. */
  maxCost?: number
  /** To the worker of the job's last task, or of the task of that state, as long as it is there. After a fan-out: to any of its workers. */
  sticky?: true | string
  /** To any worker but that one. */
  avoid?: true | string
  /** At most `concurrencyLimit` tasks of a key are open at a time. */
  concurrencyKey?: string
  /** Default: 1. */
  concurrencyLimit?: number
  /** Tasks of equal priority take turns between the values of this. Default: the client. */
  fairKey?: string
  /** Longest wait for a worker, of each try. Then the task has failed, and is not tried again. Default: the job's. */
  pickupTimeout?: Duration
  /** Longest time to a result, from here, over all tries. Then the task has failed. Default: the job's. */
  resultTimeout?: Duration
}

/** By outcome: `success`, `failure`, `cancelled`, or a status of the worker's own. Without `failure` a failure ends the job. */
export type Routes<To extends string> = { success?: To; failure?: To; cancelled?: To } & {
  [status: string]: To | undefined
}

/** One task of a `parallel`. `closed`: it was not needed any more. */
export interface Branch extends BranchOutcome {
  data: Json
}

export interface EndContext<I> {
  readonly job: {
    id: string
    client: string
    createdAt: Date
    /** Of a job that a schedule made: the instant that it stands for, however late it was made. Else null. */
    dueAt: Date | null
  }
  /** What is known of the client: its plan, and `params` of its own. */
  readonly client: { id: string; plan: string | null; params: JsonObject }
  readonly input: I
  /** What `goTo(…, data)` and the results of single tasks have added so far. */
  readonly data: JsonObject
  /** Results of the last `parallel`, in the order of its tasks; null where a branch failed. */
  readonly results: Json[]
  /** How each of those tasks came out, with its data. */
  readonly branches: Branch[]
  /** How the action that led here came out. */
  readonly last: LastOutcome | null
}

export interface Context<I, To extends string> extends EndContext<I> {
  /** Aborted when the handler has run too long. */
  readonly signal: AbortSignal
  /** In a state that undoes another: how the job will end. Else null. */
  readonly ending: Ending | null
  /** On to another state at once, adding `data` to the job's. */
  goTo(state: To, data?: object): TypedAction<To>
  /** Hands one task to a worker that has the skill. An object it answers is added to `data`. */
  dispatch(skill: string, params: object, options: DispatchOptions<To>): TypedAction<To>
  /**
   * Hands out many tasks; goes on when all are done, with `failFast` when the first fails, with `quorum` as soon as so many have
   * succeeded or can't any more. Tasks that are not needed then are closed. At most `concurrency` are handed out at a time.
   */
  parallel(
    tasks: (TaskSpec | ChildSpec)[],
    options: { into: To; failFast?: boolean; concurrency?: number; quorum?: number },
  ): TypedAction<To>
  /**
   * Waits for a person. Without `on.timeout` a time-out fails the job. `escalate` names who is told when nobody has decided that long
   * after the request. The engine hands `assignees` and `to` on as they are.
   */
  approval(options: {
    message: string
    on: Record<string, To>
    timeout?: Duration
    assignees?: string[]
    escalate?: { after: Duration; to: string }[]
  }): TypedAction<To>
  /**
   * Runs an agent in a sandbox: a task of skill `agent.run`, with a day's time unless told otherwise. Its answer is an AgentResult.
   * With `attended` it may ask a person: it is a child of `agent_run` then, which waits without holding a worker.
   */
  agent(options: AgentOptions & DispatchOptions<To>): TypedAction<To>
  /** Runs another blueprint as a child; its output comes back in `last.data`. A child that outlasts `timeout` fails. */
  runBlueprint(name: string, input: object, options: { on: Routes<To>; timeout?: Duration }): TypedAction<To>
  /**
   * Waits for an event of that name, sent to the job from outside; one that came before counts. Its data are then `last.data`.
   * Without a route for `timeout` a time-out fails the job.
   */
  waitForEvent(options: { name: string; on: To | { event: To; timeout?: To }; timeout?: Duration }): TypedAction<To>
  /** Goes on after so long, or at that instant; one that has passed is now. Costs nothing meanwhile. */
  sleep(duration: Duration, options: { to: To }): TypedAction<To>
  sleepUntil(date: Date | number, options: { to: To }): TypedAction<To>
  /** In a state that undoes another: done with it. */
  undone(): TypedAction<To>
  finish(output?: unknown): TypedAction<To>
  fail(message: string, code?: string): TypedAction<To>
}

export interface DispatchOptions<To extends string> extends TaskOptions {
  on: Routes<To>
  /** An event of this name, told by the worker in the middle of the task, ends the task and leads there. */
  onEvent?: Record<string, To>
}

/** A task for `parallel`. @throws RangeError for a limit under which nothing would ever run */
export const task = (skill: string, params: object, options: TaskOptions = {}): TaskSpec => {
  const { needs = {}, maxCost, concurrencyLimit = 1 } = options
  atLeastOne('concurrencyLimit', concurrencyLimit)
  return {
    skill,
    params: plain(params) as JsonObject,
    priority: options.priority ?? null,
    timeoutMs: msOrNull(options.timeout),
    needs: maxCost === undefined ? (plain(needs) as Needs) : { ...(plain(needs) as Needs), maxCost },
    strategy: options.strategy ?? 'default',
    sticky: options.sticky ?? null,
    avoid: options.avoid ?? null,
    concurrencyKey: options.concurrencyKey ?? null,
    concurrencyLimit,
    fairKey: options.fairKey ?? null,
    pickupMs: msOrNull(options.pickupTimeout),
    resultMs: msOrNull(options.resultTimeout),
    retry: options.retry ? chooseRetry(options.retry) : null,
  }
}

const msOrNull = (duration: Duration | undefined): number | null => (duration === undefined ? null : toMs(duration))

const atLeastOne = (what: string, count: number): void => {
  if (!Number.isInteger(count) || count < 1)
    throw new RangeError(`${what} must be a whole number from 1, not ${count}: nothing would ever run`)
}

/**
 * JSON as it will be when read back. Actions are stored: a Date or an undefined that survived until the next restart
 * only would make handlers behave differently after a crash.
 */
export const plain = (value: unknown): Json =>
  value === undefined ? null : (JSON.parse(JSON.stringify(value)) as Json)

/** An agent for `parallel`, as `agent` runs one alone. @throws BlueprintFault */
export const agentTask = (given: AgentOptions & TaskOptions): TaskSpec | ChildSpec => {
  const { params, options } = agentParts(given)
  return given.attended ? attendedAgent(params, options) : task(AGENT_SKILL, params, options)
}

/** A turn may rightly take hours: the time-out of ordinary tasks would end it in the middle. */
const agentTimeout = '1d'

const agentParts = ({ output, ...given }: AgentOptions & TaskOptions): { params: JsonObject; options: TaskOptions } => {
  const asked = output === undefined ? {} : { config: { ...given.config, output_schema: schemaOf(output) } }
  // Left out, an attended agent's job decides.
  const retry = given.attended && !given.retry ? {} : { retry: { losses: AGENT_LOSSES, ...given.retry } }
  const entries = Object.entries({ timeout: agentTimeout, ...given, ...asked, ...retry })
  const isOption = ([key]: [string, unknown]): boolean => Object.hasOwn(dispatchOptions, key)
  return {
    params: plain(Object.fromEntries(entries.filter((entry) => !isOption(entry)))) as JsonObject,
    options: Object.fromEntries(entries.filter(isOption)),
  }
}

/** Without the dialect's name: runtimes that know older ones would refuse it, and the keywords are the same. */
const schemaOf = (given: z.ZodType | JsonObject): JsonObject => {
  const schema = given instanceof z.ZodType ? zodCheck(given).jsonSchema : given
  if (schema === null) throw new BlueprintFault('agent: `output` can’t be said as a JSON Schema')
  const { $schema: _, ...rest } = schema
  return rest
}

/** What belongs to the job that dispatches, or to the session that the run gets: a job of its own has its own. */
const notAttended = ['sticky', 'avoid', 'onEvent', 'concurrencyKey', 'concurrencyLimit'] as const

const attendedAgent = (params: JsonObject, options: object): ChildSpec => {
  const stray = notAttended.find((name) => Object.hasOwn(options, name))
  if (stray !== undefined) throw new BlueprintFault(`agent: \`${stray}\` can't be had with \`attended\``)
  const checked = agentRunParams.safeParse({ ...params, dispatch: plain(options) })
  if (checked.success) return { ...AGENT_RUN, input: plain(checked.data) as JsonObject, timeoutMs: null }
  const [issue] = checked.error.issues
  throw new BlueprintFault(`agent: ${issue?.message} at ${issue?.path.join('.')}`)
}

/** What of an agent's options is for the task and not for the agent. */
const dispatchOptions: Record<keyof DispatchOptions<string>, true> = {
  on: true,
  onEvent: true,
  timeout: true,
  retry: true,
  priority: true,
  needs: true,
  strategy: true,
  maxCost: true,
  sticky: true,
  avoid: true,
  concurrencyKey: true,
  concurrencyLimit: true,
  fairKey: true,
  pickupTimeout: true,
  resultTimeout: true,
}

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
    job: {
      id: job.id,
      client: job.client,
      createdAt: new Date(job.createdAt),
      dueAt: job.origin.kind === 'schedule' ? new Date(job.origin.dueAt) : null,
    },
    get client() {
      return client()
    },
    get branches() {
      const data = results()
      return job.branches.map((branch, at) => ({ ...branch, data: data[at] ?? null }))
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
    copy ??= copyJson(value)
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
    ending: copyJson(job.ending),
    goTo: (to, data) => make({ kind: 'go_to', to, data: data ? (plain(data) as JsonObject) : null }),
    dispatch: (skill, params, { on, onEvent = {}, ...options }) =>
      make({ kind: 'dispatch', task: task(skill, params, options), on: routes(on), onEvent: routes(onEvent) }),
    parallel: (tasks, { into, failFast = false, concurrency, quorum }) => {
      if (concurrency !== undefined) atLeastOne('parallel: concurrency', concurrency)
      if (quorum !== undefined) {
        atLeastOne('parallel: quorum', quorum)
        if (quorum > tasks.length)
          throw new RangeError(`parallel: a quorum of ${quorum} can't be reached by ${tasks.length} tasks`)
      }
      return make({
        kind: 'parallel',
        tasks,
        into,
        failFast,
        concurrency: concurrency ?? null,
        quorum: quorum ?? null,
      })
    },
    approval: ({ message, on, timeout, assignees = [], escalate = [] }) =>
      make({
        kind: 'approval',
        message,
        on: routes(on),
        timeoutMs: msOrNull(timeout),
        assignees,
        escalate: escalate.map(({ after, to }) => ({ afterMs: toMs(after), to })),
      }),
    agent: (given) => {
      const { params, options } = agentParts(given)
      const { on, ...rest } = options as Partial<DispatchOptions<string>>
      if (given.attended) return make({ kind: 'run_blueprint', ...attendedAgent(params, rest), on: routes(on ?? {}) })
      return actions.dispatch(AGENT_SKILL, params, { ...rest, on: on ?? {} })
    },
    waitForEvent: ({ name, on, timeout }) =>
      make({
        kind: 'wait_for_event',
        name,
        on: typeof on === 'string' ? { event: on } : routes({ ...on }),
        timeoutMs: msOrNull(timeout),
      }),
    sleep: (duration, { to }) => make({ kind: 'sleep', to, ms: toMs(duration) }),
    sleepUntil: (date, { to }) => {
      const until = Math.round(Number(date))
      if (!Number.isFinite(until)) throw new RangeError(`sleepUntil: not an instant: ${String(date)}`)
      return make({ kind: 'sleep_until', to, until })
    },
    undone: () => make({ kind: 'undone' }),
    runBlueprint: (name, input, { on, timeout }) =>
      make({
        kind: 'run_blueprint',
        blueprint: name,
        ...deps.child(name, plain(input) as JsonObject),
        on: routes(on),
        timeoutMs: msOrNull(timeout),
      }),
    finish: (output) => make({ kind: 'finish', output: plain(output) }),
    fail: (message, code = 'FAILED') => make({ kind: 'fail', error: { code, message }, output: null }),
  }
  // Onto the parts of the job and not the other way round: that would read, and so copy, every part for every handler.
  return Object.assign(endContext(job), actions)
}
