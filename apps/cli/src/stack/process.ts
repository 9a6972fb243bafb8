/** A server of the stack, in this process or in one of its own. */
export interface RunningServer {
  name: string
  /** Process id of a server of its own. */
  pid(): number
  /** Lets it finish what it is doing, then ends it. */
  stop(): Promise<void>
}

export type Environment = Record<string, string | undefined>
