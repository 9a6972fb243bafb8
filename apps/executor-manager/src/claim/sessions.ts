/**
 * One run of a session at a time in this process. The engine hands out one per session, but a run whose lease was lost
 * may come back before its former sandbox is gone, and two sandboxes would write in one workspace.
 */
export interface SessionGate {
  /** Resolves when no other run of the session is at work here; call the result when this one is done. */
  enter(sessionId: string): Promise<() => void>
}

export const createSessionGate = (): SessionGate => {
  const last = new Map<string, Promise<void>>()
  return {
    enter: async (sessionId) => {
      const before = last.get(sessionId)
      const { promise, resolve } = Promise.withResolvers<void>()
      last.set(sessionId, promise)
      await before
      return () => {
        if (last.get(sessionId) === promise) last.delete(sessionId)
        resolve()
      }
    },
  }
}
