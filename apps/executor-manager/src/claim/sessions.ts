/**
 * One run of a session at a time in this process. The engine hands out one per session, but a run whose lease was lost
 * may come back before its former sandbox is gone, and two sandboxes would write in one workspace.
 */
export interface SessionGate {
  /** Resolves when no other run of the session is at work here; call the result when this one is done. */
  enter(sessionId: string): Promise<() => void>
  /** The same, if nobody is at work there now and nobody waits to be. */
  tryEnter(sessionId: string): (() => void) | undefined
}

export const createSessionGate = (): SessionGate => {
  const last = new Map<string, Promise<void>>()
  const register = (sessionId: string): (() => void) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    last.set(sessionId, promise)
    return () => {
      if (last.get(sessionId) === promise) last.delete(sessionId)
      resolve()
    }
  }
  return {
    enter: async (sessionId) => {
      const before = last.get(sessionId)
      const leave = register(sessionId)
      await before
      return leave
    },
    tryEnter: (sessionId) => (last.has(sessionId) ? undefined : register(sessionId)),
  }
}
