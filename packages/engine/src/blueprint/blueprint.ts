/**
 * The blueprint DSL: a versioned state machine, typed end to end. A handler can only lead to the states that its state
 * declares in `to`, and so the graph is exact without reading source.
 */

import type { JsonObject } from '@tutti/contracts'
import type { z } from 'zod'
import type { Context, EndContext, TypedAction } from './context.ts'

export interface StateDefinition {
  name: string
  start: boolean
  to: readonly string[]
  run: (
    context: Context<JsonObject, string>,
  ) => TypedAction<string> | undefined | Promise<TypedAction<string> | undefined>
}

export interface EndDefinition {
  name: string
  outcome: 'finished' | 'failed'
  output: ((context: EndContext<JsonObject>) => unknown) | null
}

/** What the engine needs of a blueprint, whatever it was written in. */
export interface Blueprint {
  readonly name: string
  readonly version: number
  /** Path of its own endpoint in the client API; null when it is only started by name. */
  readonly endpoint: string | null
  readonly input: z.ZodType | null
  readonly states: readonly StateDefinition[]
  readonly ends: readonly EndDefinition[]
}

export interface BlueprintBuilder<I> extends Blueprint {
  /**
   * Adds a state. Exactly one is the start. The handler returns one action; its targets must be in `to`.
   * It may run again after a crash, so what it does outside of its action must bear repetition.
   */
  state<const To extends string>(
    name: string,
    options: { start?: boolean; to: readonly To[] },
    run: (context: Context<I, To>) => TypedAction<To> | Promise<TypedAction<To>>,
  ): BlueprintBuilder<I>
  /** Adds an end. `output` makes the job's result. */
  end(
    name: string,
    output?: ((context: EndContext<I>) => unknown) | { outcome: 'finished' | 'failed' },
    options?: { outcome: 'finished' | 'failed' },
  ): BlueprintBuilder<I>
}

export interface BlueprintOptions<S extends z.ZodType> {
  name: string
  version?: number
  endpoint?: string
  input?: S
}

/** Starts a blueprint. It is immutable: each call answers a new one. */
export const blueprint = <S extends z.ZodType = z.ZodType<JsonObject>>(
  options: BlueprintOptions<S>,
): BlueprintBuilder<z.output<S>> =>
  build({
    name: options.name,
    version: options.version ?? 1,
    endpoint: options.endpoint ?? null,
    input: options.input ?? null,
    states: [],
    ends: [],
  })

const build = <I>(definition: Blueprint): BlueprintBuilder<I> => ({
  ...definition,
  state(name, { start = false, to }, run) {
    // The typed handler is kept untyped: the engine checks every target again when the action is taken.
    const state: StateDefinition = { name, start, to, run: run as unknown as StateDefinition['run'] }
    return build({ ...definition, states: [...definition.states, state] })
  },
  end(name, output, options) {
    const outcome = typeof output === 'object' ? output.outcome : (options?.outcome ?? 'finished')
    const make = typeof output === 'function' ? (output as unknown as EndDefinition['output']) : null
    return build({ ...definition, ends: [...definition.ends, { name, outcome, output: make }] })
  },
})
