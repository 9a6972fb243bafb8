/**
 * The blueprint DSL: a versioned state machine, typed end to end. A handler can only lead to the states that it declares
 * in `to`, and so the graph is exact without reading source.
 */

import type { JsonObject } from '@tutti/contracts'
import type { z } from 'zod'
import { type Check, zodCheck } from './check.ts'
import type { Context, EndContext, TypedAction } from './context.ts'
import type { TaskFiles } from './files.ts'

/** What a blueprint's own code keeps open for all its jobs: a connection, a cache. */
export interface StoreDefinition<T = unknown> {
  /** Called once per process, before the first handler that runs. A throw is tried again with the handler. */
  open(): T | Promise<T>
  /** Called when the engine stops or the blueprint is replaced, after its handlers have ended. */
  close?(store: T): void | Promise<void>
}

/** A handler's context: the job's view and actions, with what the process offers beside it. */
export type HandlerContext<I, To extends string, S> = Context<I, To> & {
  /** The blueprint's data stores, open. */
  readonly stores: S
  /** Files of the job. Throws where the server has no place for them. */
  readonly files: TaskFiles
}

export type Handler<I = JsonObject, To extends string = string, S = Record<string, unknown>> = (
  context: HandlerContext<I, To, S>,
) => TypedAction<To> | undefined | Promise<TypedAction<To> | undefined>

export interface ConditionalHandler {
  /** Labels its edges in the graph. */
  name: string
  to: readonly string[]
  /** Whether its handler runs instead of the default one. A throw counts as a throw of the handler. */
  when: (context: EndContext<JsonObject>) => boolean
  run: Handler
}

export interface StateDefinition {
  name: string
  start: boolean
  /** Where the default handler can lead. */
  to: readonly string[]
  /** The compensating state that undoes this one; null when there is nothing to undo. */
  undo: string | null
  /** Only entered to undo another state. */
  compensates: boolean
  /** In the order in which they are asked; the first that is true runs. */
  conditions: readonly ConditionalHandler[]
  /** The default handler; null when there are only conditional ones. */
  run: Handler | null
}

export interface EndDefinition {
  name: string
  outcome: 'finished' | 'failed'
  output: ((context: EndContext<JsonObject>) => unknown) | null
}

/** Schemas of a skill's tasks: a fault in `params` is the blueprint's, one in `result` the worker's. */
export interface SkillContract {
  params: Check | null
  result: Check | null
}

/** What the engine needs of a blueprint, whatever it was written in. */
export interface Blueprint {
  readonly name: string
  readonly version: number
  /** Path of its own endpoint in the client API; null when it is only started by name. */
  readonly endpoint: string | null
  readonly input: Check | null
  readonly output: Check | null
  /** Events that its jobs can be sent, by name; none declared: any. */
  readonly events: Readonly<Record<string, Check>>
  readonly skills: Readonly<Record<string, SkillContract>>
  readonly stores: Readonly<Record<string, StoreDefinition>>
  readonly states: readonly StateDefinition[]
  readonly ends: readonly EndDefinition[]
  /** The document that it was made of, exactly; null when it was written in code. */
  readonly source: JsonObject | null
}

/** Every state that a state's handlers can lead to. */
export const leadsTo = (state: StateDefinition): string[] => [
  ...new Set([...state.conditions.flatMap((condition) => condition.to), ...state.to]),
]

/** `N` are the names of the states declared so far, `S` the data stores. */
export interface BlueprintBuilder<I, S = Record<string, never>, N extends string = never> extends Blueprint {
  /** Adds a state that has only conditional handlers. */
  state<const Name extends string>(name: Name, options: StateOptions<never>): BlueprintBuilder<I, S, N | Name>
  /**
   * Adds a state. Exactly one is the start. The handler returns one action; its targets must be in `to`.
   * It may run again after a crash, so what it does outside of its action must bear repetition.
   */
  state<const To extends string, const Name extends string = string>(
    name: Name,
    options: StateOptions<To>,
    run: (context: HandlerContext<I, To, S>) => TypedAction<To> | Promise<TypedAction<To>>,
  ): BlueprintBuilder<I, S, N | Name>
  /**
   * Adds a conditional handler to a state that was declared before. They are asked in the order of their declaration; the first whose
   * `if` is true runs instead of the default handler.
   */
  when<const To extends string>(
    state: N,
    options: ConditionOptions<I, To>,
    run: (context: HandlerContext<I, To, S>) => TypedAction<To> | Promise<TypedAction<To>>,
  ): BlueprintBuilder<I, S, N>
  /** Adds a state that undoes others: those that name it as their `undo`. It can lead only to states of its kind. */
  undo<const To extends string = never>(
    name: string,
    run: (context: HandlerContext<I, To, S>) => TypedAction<To> | Promise<TypedAction<To>>,
    options?: { to: readonly To[] },
  ): BlueprintBuilder<I, S, N>
  /** Adds an end. `output` makes the job's result. */
  end(
    name: string,
    output?: ((context: EndContext<I>) => unknown) | { outcome: 'finished' | 'failed' },
    options?: { outcome: 'finished' | 'failed' },
  ): BlueprintBuilder<I, S, N>
}

export interface StateOptions<To extends string> {
  start?: boolean
  to: readonly To[]
  /** Name of the `.undo(…)` state that takes back what this one did, should the job fail later. */
  undo?: string
}

export interface ConditionOptions<I, To extends string> {
  /** What the graph calls it; unless given, the function's own name or a number. */
  name?: string
  /** Sees the job and changes nothing. */
  if: (context: EndContext<I>) => boolean
  to: readonly To[]
}

export interface BlueprintOptions<S extends z.ZodType, D extends object> {
  name: string
  version?: number
  endpoint?: string
  input?: S
  /** Of a finished job; one that breaks it fails as OUTPUT_INVALID. */
  output?: z.ZodType
  events?: Record<string, z.ZodType>
  skills?: Record<string, { params?: z.ZodType; result?: z.ZodType }>
  stores?: { [K in keyof D]: StoreDefinition<D[K]> }
}

/** Starts a blueprint. It is immutable: each call answers a new one. */
export const blueprint = <S extends z.ZodType = z.ZodType<JsonObject>, D extends object = Record<never, never>>(
  options: BlueprintOptions<S, D>,
): BlueprintBuilder<z.output<S>, D> =>
  build({
    name: options.name,
    version: options.version ?? 1,
    endpoint: options.endpoint ?? null,
    input: optional(options.input),
    output: optional(options.output),
    events: mapped(options.events ?? {}, zodCheck),
    skills: mapped(options.skills ?? {}, ({ params, result }) => ({
      params: optional(params),
      result: optional(result),
    })),
    stores: options.stores ?? {},
    states: [],
    ends: [],
    source: null,
  } as Blueprint)

const optional = (schema: z.ZodType | undefined): Check | null => (schema ? zodCheck(schema) : null)

const mapped = <A, B>(record: Record<string, A>, make: (value: A) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, make(value)]))

// The typed handlers are kept untyped: the engine checks every target again when an action is taken.
const build = <I, S, N extends string>(definition: Blueprint): BlueprintBuilder<I, S, N> => {
  const withState = <M extends string>(state: StateDefinition): BlueprintBuilder<I, S, M> =>
    build({ ...definition, states: [...definition.states, state] })
  return {
    ...definition,
    state(
      name: string,
      { start = false, to, undo = null }: { start?: boolean; to: readonly string[]; undo?: string | null },
      run?: unknown,
    ) {
      return withState({
        name,
        start,
        to,
        undo,
        compensates: false,
        conditions: [],
        run: (run ?? null) as Handler | null,
      })
    },
    undo(name: string, run: unknown, { to }: { to: readonly string[] } = { to: [] }) {
      return withState({ name, start: false, to, undo: null, compensates: true, conditions: [], run: run as Handler })
    },
    when(name, { name: label, if: when, to }, run) {
      const states = definition.states.map((state) => {
        if (state.name !== name) return state
        const given =
          label ?? (when.name === '' || when.name === 'if' ? `condition ${state.conditions.length + 1}` : when.name)
        const condition = { name: given, to, when, run } as unknown as ConditionalHandler
        return { ...state, conditions: [...state.conditions, condition] }
      })
      if (!states.some((state) => state.name === name))
        throw new Error(`blueprint "${definition.name}": .when("${name}", …) comes before .state("${name}", …)`)
      return build({ ...definition, states })
    },
    end(name, output, options) {
      const outcome = typeof output === 'object' ? output.outcome : (options?.outcome ?? 'finished')
      const make = typeof output === 'function' ? (output as unknown as EndDefinition['output']) : null
      return build({ ...definition, ends: [...definition.ends, { name, outcome, output: make }] })
    },
  }
}
