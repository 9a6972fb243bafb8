/**
 * The port of an agent runtime. Everything above it (executor, manager, backend, console) knows only these events;
 * which vendor's runtime produced them is an adapter's business.
 */
import type { AgentEvent, Turn, TurnCommand } from '@tutti/contracts'

export interface StartOptions {
  /** When it aborts, the runtime is interrupted and the turn ends with `error`, code `interrupted`. */
  signal: AbortSignal
  /**
   * What is said to the turn while it runs; without, nobody says anything. A message that the agent has taken in gives the
   * event `steered`; one without that event came too late, and belongs to the next turn. The runtime stops reading with
   * the turn, but can't end a wait that is going on: whoever waits there is to be told by the caller.
   */
  commands?: AsyncIterable<TurnCommand>
  /** The prompt is said only when this has resolved: what the caller still does meanwhile costs the turn nothing. Never rejects. */
  ready?: Promise<void>
}

export interface AgentRuntime {
  /** As in `Turn.runtime`. */
  readonly name: Turn['runtime']
  /**
   * Loads what the first turn needs, so that a sandbox that waits for work has done it already. Optional to call,
   * harmless to call twice. `ahead`: starts what can be started before a turn is known, for the first turn that it suits.
   * Rejects where that can't be done; turns run all the same.
   */
  prepare(options?: { ahead?: boolean }): Promise<void>
  /** Ends what was started ahead, or rests between two turns, and is not in use: the turn that came is another runtime's. Never rejects. */
  discard?(): Promise<void>
  /** Runs one turn and tells what happens, in order. The last event is exactly one `done`, `parked` or `error`; nothing is thrown. */
  start(turn: Turn, options: StartOptions): AsyncIterable<AgentEvent>
}
