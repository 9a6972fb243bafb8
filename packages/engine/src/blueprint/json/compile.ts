/** From a JSON document to a blueprint like any other: one engine runs both. */
import {
  type BlueprintDocument,
  blueprintDocument,
  blueprintLimits,
  type CheckedBlueprintDocument,
  type Json,
  type JsonObject,
} from '@tutti/contracts'
import type { Blueprint, ConditionalHandler, EndDefinition, Handler, StateDefinition } from '../blueprint.ts'
import type { Check } from '../check.ts'
import type { EndContext } from '../context.ts'
import { BlueprintError } from '../registry.ts'
import { blueprintFaults } from '../validate.ts'
import { compileAction, type DocumentState, type Doing } from './actions.ts'
import { bounded } from './bounded.ts'
import type { Variables } from './expression.ts'
import { jsonSchemaCheck } from './json-schema.ts'
import { type Compiler, compileCondition, compileValue, type DocumentFault } from './template.ts'

/** Longest time that the expressions of one handler may take. */
const limitMs = 250

/**
 * Reads a document. All its faults are told, each with its path: what the format says, every expression, every schema, and the graph.
 */
export const readJsonBlueprint = (document: unknown): { blueprint: Blueprint } | { faults: DocumentFault[] } => {
  const size = sizeFault(document)
  if (size) return { faults: [{ path: '', fault: size }] }
  const read = blueprintDocument.safeParse(document)
  if (!read.success)
    return { faults: read.error.issues.map(({ path, message }) => ({ path: path.join('.'), fault: message })) }
  const compiler: Compiler = { faults: [] }
  const blueprint = compile(compiler, read.data, structuredClone(document) as JsonObject)
  // Faults of the graph are only worth telling of a document that is otherwise sound.
  if (compiler.faults.length > 0) return { faults: compiler.faults }
  const { start, states } = read.data
  // Without its start nothing of it could be reached, which would be told of every state.
  if (!Object.hasOwn(states, start))
    return { faults: [{ path: 'start', fault: `the start "${start}" is not one of the states` }] }
  const faults = [...sizeFaults(read.data), ...blueprintFaults(blueprint)]
  return faults.length > 0 ? { faults: faults.map((fault) => ({ path: 'states', fault })) } : { blueprint }
}

/** @throws BlueprintError naming every fault */
export const jsonBlueprint = (document: BlueprintDocument): Blueprint => {
  const read = readJsonBlueprint(document)
  if ('blueprint' in read) return read.blueprint
  throw new BlueprintError(read.faults.map(({ path, fault }) => (path === '' ? fault : `${path}: ${fault}`)).join('\n'))
}

const sizeFault = (document: unknown): string | null => {
  if (depthOf(document, blueprintLimits.depth) > blueprintLimits.depth)
    return `objects and lists lie more than ${blueprintLimits.depth} deep in one another`
  const length = JSON.stringify(document)?.length ?? 0
  return length > blueprintLimits.bytes ? `the document is longer than ${blueprintLimits.bytes} characters` : null
}

const depthOf = (value: unknown, left: number): number => {
  if (typeof value !== 'object' || value === null) return 0
  if (left < 0) return 1
  let deepest = 0
  for (const inner of Object.values(value)) deepest = Math.max(deepest, depthOf(inner, left - 1))
  return deepest + 1
}

const sizeFaults = ({ states }: CheckedBlueprintDocument): string[] => {
  const count = Object.keys(states).length
  return count > blueprintLimits.states ? [`there are ${count} states: at most ${blueprintLimits.states}`] : []
}

const compile = (compiler: Compiler, document: CheckedBlueprintDocument, source: JsonObject): Blueprint => {
  const schema = (given: JsonObject | undefined, path: string): Check | null =>
    given === undefined ? null : jsonSchemaCheck(compiler, given, path)
  const states = (given: Record<string, DocumentState>, root: 'states' | 'undo'): StateDefinition[] =>
    Object.entries(given).map(([name, state]) => ({
      ...compileState(compiler, state, `${root}.${name}`),
      name,
      start: root === 'states' && name === document.start,
      compensates: root === 'undo',
    }))
  return {
    name: document.name,
    version: document.version,
    endpoint: document.endpoint ?? null,
    input: schema(document.input, 'input'),
    output: schema(document.output, 'output'),
    events: Object.fromEntries(
      Object.entries(document.events ?? {}).map(([name, given]) => [
        name,
        jsonSchemaCheck(compiler, given, `events.${name}`),
      ]),
    ),
    skills: Object.fromEntries(
      Object.entries(document.skills ?? {}).map(([name, { params, result }]) => [
        name,
        { params: schema(params, `skills.${name}.params`), result: schema(result, `skills.${name}.result`) },
      ]),
    ),
    stores: {},
    states: [...states(document.states, 'states'), ...states(document.undo ?? {}, 'undo')],
    ends: Object.entries(document.ends).map(([name, end]) => compileEnd(compiler, name, end)),
    source,
  }
}

const compileState = (
  compiler: Compiler,
  state: DocumentState,
  path: string,
): Pick<StateDefinition, 'to' | 'undo' | 'conditions' | 'run'> => {
  const action = compileAction(compiler, state, path)
  const conditions = (state.when ?? []).flatMap((given, at): ConditionalHandler[] => {
    const holds = compileCondition(compiler, given.if, `${path}.when.${at}.if`)
    const then = compileAction(compiler, given, `${path}.when.${at}`)
    if (!then) return []
    return [
      {
        name: given.name ?? given.if,
        to: unique(then.to),
        when: (context) => within(`${path}.when.${at}.if`, () => holds(variablesOf(context))),
        run: handlerOf(then.run, path),
      },
    ]
  })
  return {
    to: unique(action?.to ?? []),
    undo: state.undo ?? null,
    conditions,
    run: action && handlerOf(action.run, path),
  }
}

const compileEnd = (
  compiler: Compiler,
  name: string,
  { outcome, output }: CheckedBlueprintDocument['ends'][string],
): EndDefinition => {
  if (output === undefined) return { name, outcome, output: null }
  const fill = compileValue(compiler, output, `ends.${name}.output`)
  return { name, outcome, output: (context) => within(`ends.${name}`, () => fill(variablesOf(context))) }
}

const handlerOf =
  (run: Doing, path: string): Handler =>
  (context) =>
    within(path, () => run(context, variablesOf(context)))

const within = <T>(path: string, work: () => T): T => {
  try {
    return bounded(work, limitMs)
  } catch (error) {
    if (error instanceof Error && error.name === 'TooLongError')
      throw new Error(`the expressions at ${path}: ${error.message}`, { cause: error })
    throw error
  }
}

/** Read from the job only when an expression asks: getters, because each part is copied when it is read. */
const variablesOf = (context: EndContext<JsonObject>): Variables => ({
  get input(): Json {
    return context.input
  },
  get data(): Json {
    return context.data
  },
  get results(): Json {
    return context.results
  },
  get branches(): unknown {
    return context.branches
  },
  get last(): unknown {
    return context.last
  },
  get client(): unknown {
    return context.client
  },
  job: {
    id: context.job.id,
    created_at: context.job.createdAt.toISOString(),
    due_at: context.job.dueAt?.toISOString() ?? null,
  },
})

const unique = (names: string[]): string[] => [...new Set(names)]
