/** The actions of a document, each made a handler that fills in its values. */
import type { AgentRunParams, CheckedBlueprintDocument, Json, JsonObject } from '@tutti/contracts'
import { AGENT_SKILL, blueprintLimits } from '@tutti/contracts'
import type { Duration } from '../../job/duration.ts'
import type { Needs } from '../../job/needs.ts'
import type { RetryOptions } from '../../job/retry.ts'
import type { ChildSpec, TaskSpec } from '../action.ts'
import type { Handler, HandlerContext } from '../blueprint.ts'
import { agentTask, type TaskOptions, task } from '../context.ts'
import { BlueprintFault } from '../fault.ts'
import type { Variables } from './expression.ts'
import { type Compiler, compileList, compileObject, compileText, compileValue, type Filled } from './template.ts'

export type DocumentState = CheckedBlueprintDocument['states'][string]
type Given<K extends keyof DocumentState> = NonNullable<DocumentState[K]>
type Context = HandlerContext<JsonObject, string, Record<string, unknown>>
/** What a state does, once its variables are known. */
export type Doing = (context: Context, variables: Variables) => ReturnType<Extract<Handler, unknown>>

export interface CompiledAction {
  to: string[]
  run: Doing
}

/** A task of the agents' skill whose agent may ask is a job of its own. */
const asSpec = ({ skill, params, options }: FilledTask): TaskSpec | ChildSpec =>
  skill === AGENT_SKILL && params.attended === true
    ? agentTask({ ...(params as unknown as AgentRunParams), ...options })
    : task(skill, params, options)

/** The one action of a state or of a condition; null when it has none. */
export const compileAction = (
  compiler: Compiler,
  state: Partial<DocumentState>,
  path: string,
): CompiledAction | null => {
  for (const [kind, compileKind] of Object.entries(kinds)) {
    const given = state[kind as keyof typeof kinds]
    if (given !== undefined) return (compileKind as Compile<unknown>)(compiler, given, `${path}.${kind}`)
  }
  return null
}

type Compile<T> = (compiler: Compiler, given: T, path: string) => CompiledAction

const goTo: Compile<Given<'go_to'>> = (compiler, given, path) => {
  if (typeof given === 'string') return { to: [given], run: (context) => context.goTo(given) }
  const data = given.data === undefined ? null : compileObject(compiler, given.data, `${path}.data`)
  return { to: [given.to], run: (context, variables) => context.goTo(given.to, data?.(variables)) }
}

const dispatch: Compile<Given<'dispatch'>> = (compiler, given, path) => {
  const make = compileTask(compiler, given, path, false)
  const { on, on_event = {} } = given
  return {
    to: [...Object.values(on), ...Object.values(on_event)],
    run: (context, variables) => {
      const { skill, params, options } = make(variables)
      return context.dispatch(skill, params, { ...options, on, onEvent: on_event })
    },
  }
}

const parallel: Compile<Given<'parallel'>> = (compiler, given, path) => {
  const { into, fail_fast: failFast, concurrency, quorum } = given
  const tasks = tasksOf(compiler, given, path)
  return {
    to: [into],
    run: (context, variables) =>
      context.parallel(tasks(variables), { into, ...present({ failFast, concurrency, quorum }) }),
  }
}

const tasksOf = (compiler: Compiler, given: Given<'parallel'>, path: string): Filled<(TaskSpec | ChildSpec)[]> => {
  if (given.each === undefined || given.task === undefined) {
    const tasks = (given.tasks ?? []).map((each, at) => compileTask(compiler, each, `${path}.tasks.${at}`, false))
    return (variables) => tasks.map((make) => asSpec(make(variables)))
  }
  const list = compileList(compiler, given.each, `${path}.each`)
  const make = compileTask(compiler, given.task, `${path}.task`, true)
  return (variables) => {
    const items = list(variables)
    if (items.length > blueprintLimits.tasks)
      throw new BlueprintFault(
        `the list at ${path}.each has ${items.length} members: at most ${blueprintLimits.tasks} tasks go out at once`,
        'EXPRESSION_FAILED',
      )
    return items.map((item, index) => asSpec(make({ ...variables, item, index: BigInt(index) })))
  }
}

const approval: Compile<Given<'approval'>> = (compiler, given, path) => {
  const { message, on, timeout, assignees, escalate } = given
  const text = compileText(compiler, message, `${path}.message`)
  const people = assignees?.map((each, at) => compileText(compiler, each, `${path}.assignees.${at}`))
  const levels = escalate?.map(({ after, to }, at) => ({
    after: after as Duration,
    to: compileText(compiler, to, `${path}.escalate.${at}.to`),
  }))
  return {
    to: Object.values(on),
    run: (context, variables) =>
      context.approval({
        message: text(variables),
        on,
        ...present({
          timeout: timeout as Duration | undefined,
          assignees: people?.map((fill) => fill(variables)),
          escalate: levels?.map(({ after, to }) => ({ after, to: to(variables) })),
        }),
      }),
  }
}

const runBlueprint: Compile<Given<'run_blueprint'>> = (compiler, { name, input, on, timeout }, path) => {
  const child = compileText(compiler, name, `${path}.name`)
  const given = compileObject(compiler, input, `${path}.input`)
  const options = { on, ...present({ timeout: timeout as Duration | undefined }) }
  return {
    to: Object.values(on),
    run: (context, variables) => context.runBlueprint(child(variables), given(variables), options),
  }
}

const waitForEvent: Compile<Given<'wait_for_event'>> = (compiler, { name, on, timeout }, path) => {
  const event = compileText(compiler, name, `${path}.name`)
  const routes = { event: on.event, ...present({ timeout: on.timeout }) }
  const options = { on: routes, ...present({ timeout: timeout as Duration | undefined }) }
  return {
    to: Object.values(routes),
    run: (context, variables) => context.waitForEvent({ name: event(variables), ...options }),
  }
}

const sleep: Compile<Given<'sleep'>> = (compiler, { for: length, until, to }, path) => {
  if (length !== undefined) return { to: [to], run: (context) => context.sleep(length as Duration, { to }) }
  const instant = compileValue(compiler, until ?? null, `${path}.until`)
  return {
    to: [to],
    run: (context, variables) => {
      const given = instant(variables)
      const at = typeof given === 'string' || typeof given === 'number' ? new Date(given) : new Date(Number.NaN)
      if (!Number.isNaN(at.getTime())) return context.sleepUntil(at, { to })
      throw new BlueprintFault(
        `the value at ${path}.until is no instant: ${JSON.stringify(given)}`,
        'EXPRESSION_FAILED',
      )
    },
  }
}

const agent: Compile<Given<'agent'>> = (compiler, { prompt, config, attended, timeout, retry, on }, path) => {
  const text = compileText(compiler, prompt, `${path}.prompt`)
  const filled = compileObject(compiler, config, `${path}.config`)
  const tries = { retry: retry && (present(retry) as RetryOptions) }
  const options = { on, ...present({ timeout: timeout as Duration | undefined, attended, ...tries }) }
  return {
    to: Object.values(on),
    run: (context, variables) => context.agent({ prompt: text(variables), config: filled(variables), ...options }),
  }
}

const undone: Compile<Given<'undone'>> = () => ({ to: [], run: (context) => context.undone() })

const finish: Compile<Given<'finish'>> = (compiler, { output }, path) => {
  const filled = output === undefined ? null : compileValue(compiler, output, `${path}.output`)
  return { to: [], run: (context, variables) => context.finish(filled ? filled(variables) : context.data) }
}

const fail: Compile<Given<'fail'>> = (compiler, { message, code }, path) => {
  const text = compileText(compiler, message, `${path}.message`)
  return { to: [], run: (context, variables) => context.fail(text(variables), code) }
}

const kinds = {
  go_to: goTo,
  dispatch,
  parallel,
  approval,
  run_blueprint: runBlueprint,
  wait_for_event: waitForEvent,
  sleep,
  agent,
  undone,
  finish,
  fail,
}

interface FilledTask {
  skill: string
  params: JsonObject
  options: TaskOptions
}

type GivenTask = Omit<Given<'dispatch'>, 'on' | 'on_event'>

const compileTask = (compiler: Compiler, given: GivenTask, path: string, each: boolean): Filled<FilledTask> => {
  const optionalText = (name: 'concurrency_key' | 'fair_key'): Filled<string> | undefined => {
    const text = given[name]
    return text === undefined ? undefined : compileText(compiler, text, `${path}.${name}`, each)
  }
  const skill = compileText(compiler, given.skill, `${path}.skill`, each)
  const params = compileObject(compiler, given.params as Json, `${path}.params`, each)
  const needs = given.needs === undefined ? undefined : compileObject(compiler, given.needs, `${path}.needs`, each)
  const [concurrencyKey, fairKey] = [optionalText('concurrency_key'), optionalText('fair_key')]
  const fixed = present({
    timeout: given.timeout as Duration | undefined,
    pickupTimeout: given.pickup_timeout as Duration | undefined,
    resultTimeout: given.result_timeout as Duration | undefined,
    priority: given.priority,
    concurrencyLimit: given.concurrency_limit,
    strategy: given.strategy,
    maxCost: given.max_cost,
    sticky: given.sticky,
    avoid: given.avoid,
    retry: given.retry && (present(given.retry) as RetryOptions),
  })
  return (variables) => ({
    skill: skill(variables),
    params: params(variables),
    options: {
      ...fixed,
      ...present({
        needs: needs?.(variables) as Needs | undefined,
        concurrencyKey: concurrencyKey?.(variables),
        fairKey: fairKey?.(variables),
      }),
    },
  })
}

type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> }

/** Without what is not given: the engine's own defaults count then. */
const present = <T extends object>(given: T): Present<T> =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Present<T>
