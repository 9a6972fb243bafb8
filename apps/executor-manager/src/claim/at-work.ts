/** The runs that this process works on, by their session: at most one of each is not waiting for the other. */
import type { Lease } from './lease.ts'

export interface AtWork {
  /** Call the result when the run is done with. */
  enter(sessionId: string, lease: Lease): () => void
  sessions(): string[]
  leases(sessionId: string): Lease[]
}

export const createAtWork = (): AtWork => {
  const held = new Map<string, Set<Lease>>()
  return {
    enter: (sessionId, lease) => {
      const group = held.get(sessionId) ?? new Set()
      held.set(sessionId, group.add(lease))
      return () => {
        group.delete(lease)
        if (group.size === 0 && held.get(sessionId) === group) held.delete(sessionId)
      }
    },
    sessions: () => [...held.keys()],
    leases: (sessionId) => [...(held.get(sessionId) ?? [])],
  }
}
