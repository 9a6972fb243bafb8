/** The actions of a document, each made a handler that fills in its values. */
import type { CheckedBlueprintDocument, Json, JsonObject } from '@tutti/contracts'
import { blueprintLimits } from '@tutti/contracts'
import type { TaskSpec } from '../action.ts'
import type { Handler, HandlerContext } from '../blueprint.ts'
import { type TaskOptions, task } from '../context.ts'
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
  return {
    to: Object.values(given.on),
    run: (context, variables) => {
      const { skill, params, options } = make(variables)
      return context.dispatch(skill, params, { ...options, on: given.on })
    },
  }
}

const parallel: Compile<Given<'parallel'>> = (compiler, given, path) => {
  const { into, fail_fast, concurrency } = given
  const tasks = tasksOf(compiler, given, path)
  return {
    to: [into],
    run: (context, variables) =>
      context.parallel(tasks(variables), {
        into,
        ...(fail_fast === undefined ? {} : { failFast: fail_fast }),
        ...(concurrency === undefined ? {} : { concurrency }),
      }),
  }
}

const tasksOf = (compiler: Compiler, given: Given<'parallel'>, path: string): Filled<TaskSpec[]> => {
  const asSpec = ({ skill, params, options }: FilledTask): TaskSpec => task(skill, params, options)
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

const approval: Compile<Given<'approval'>> = (compiler, { message, on, timeout }, path) => {
  const text = compileText(compiler, message, `${path}.message`)
  return {
    to: Object.values(on),
    run: (context, variables) => context.approval({ message: text(variables), on, ...duration('timeout', timeout) }),
  }
}

const runBlueprint: Compile<Given<'run_blueprint'>> = (compiler, { name, input, on }, path) => {
  const child = compileText(compiler, name, `${path}.name`)
  const given = compileObject(compiler, input, `${path}.input`)
  return {
    to: Object.values(on),
    run: (context, variables) => context.runBlueprint(child(variables), given(variables), { on }),
  }
}

const agent: Compile<Given<'agent'>> = (compiler, { prompt, config, timeout, on }, path) => {
  const text = compileText(compiler, prompt, `${path}.prompt`)
  const filled = compileObject(compiler, config, `${path}.config`)
  return {
    to: Object.values(on),
    run: (context, variables) =>
      context.agent({ prompt: text(variables), config: filled(variables), on, ...duration('timeout', timeout) }),
  }
}

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
  agent,
  finish,
  fail,
}

interface FilledTask {
  skill: string
  params: JsonObject
  options: TaskOptions
}

type GivenTask = Omit<Given<'dispatch'>, 'on'>

const compileTask = (compiler: Compiler, given: GivenTask, path: string, each: boolean): Filled<FilledTask> => {
  const skill = compileText(compiler, given.skill, `${path}.skill`, each)
  const params = compileObject(compiler, given.params as Json, `${path}.params`, each)
  const key =
    given.concurrency_key === undefined
      ? null
      : compileText(compiler, given.concurrency_key, `${path}.concurrency_key`, each)
  const { retry } = given
  const fixed: TaskOptions = {
    ...duration('timeout', given.timeout),
    ...(given.priority === undefined ? {} : { priority: given.priority }),
    ...(retry === undefined
      ? {}
      : {
          retry: {
            ...(retry.attempts === undefined ? {} : { attempts: retry.attempts }),
            ...(retry.backoff === undefined ? {} : { backoff: retry.backoff }),
            ...duration('initial', retry.initial),
            ...duration('max', retry.max),
          },
        }),
  }
  return (variables) => ({
    skill: skill(variables),
    params: params(variables),
    options: key ? { ...fixed, concurrencyKey: key(variables) } : fixed,
  })
}

/** The document's schema has checked that it is one. */
const duration = <K extends string>(key: K, value: string | number | undefined): { [k in K]?: `${number}s` } =>
  (value === undefined ? {} : { [key]: value }) as { [k in K]?: `${number}s` }
