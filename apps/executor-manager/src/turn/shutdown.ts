/** How the manager is ending, when it is. */
export interface Shutdown {
  /** Turns are to be ended and given back. */
  readonly drained: AbortSignal
  /** Nothing is waited for any more, not even to tell the backend. */
  readonly abandoned: AbortSignal
}
