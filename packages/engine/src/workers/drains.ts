/** Workers that the operator has drained. The order is kept beside the worker's record, where the worker's own words can't reach it. */
import type { Store } from '../store/port.ts'

export const drainKind = 'drain'

export interface Drains {
  has(id: string): boolean
  set(id: string, drained: boolean): Promise<void>
  load(ids: string[]): Promise<void>
}

/** Outlives the longest repair; what is left of workers with random names goes in the end. */
const keptMs = 365 * 86_400_000

export const createDrains = (store: Pick<Store, 'getRecords' | 'putRecords' | 'dropRecords' | 'now'>): Drains => {
  const drained = new Set<string>()
  return {
    has: (id) => drained.has(id),
    set: async (id, on) => {
      if (on) {
        const record = { kind: drainKind, id, owner: null, ref: null, rev: 1, dueAt: null, body: {} }
        // Refused when it is there already: then it is as it should be.
        await store.putRecords([{ ...record, expiresAt: store.now() + keptMs }])
        drained.add(id)
      } else {
        await store.dropRecords(drainKind, [id])
        drained.delete(id)
      }
    },
    load: async (ids) => {
      const records = await store.getRecords(drainKind, ids)
      ids.forEach((id, at) => {
        if (records[at]) drained.add(id)
        else drained.delete(id)
      })
    },
  }
}
