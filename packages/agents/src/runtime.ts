/**
 * The port of an agent runtime. Everything above it (executor, manager, backend, console) knows only these events;
 * which vendor's runtime produced them is an adapter's business.
 */
import type { AgentEvent, Turn } from '@tutti/contracts'

export interface AgentRuntime {
  /** As in `Turn.runtime`. */
  readonly name: string
  /**
   * Loads what the first turn needs, so that a sandbox that waits for work has done it already. Optional to call,
   * harmless to call twice.
   */
  prepare(): Promise<void>
  /**
   * Runs one turn and tells what happens, in order. The last event is exactly one `done` or `error`; nothing is thrown.
   * When `signal` aborts, the runtime is interrupted and the turn ends with `error`, code `interrupted`.
   */
  start(turn: Turn, options: { signal: AbortSignal }): AsyncIterable<AgentEvent>
}
