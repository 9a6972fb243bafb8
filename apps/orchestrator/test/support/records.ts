/** Records as the Store keeps them, as far as the tests need them; with a clock that they move. */
import type { StoredRecord } from '@tutti/engine'
import type { OrchestratorDeps } from '../../src/index.ts'

export const createRecords = (): NonNullable<OrchestratorDeps['records']> & {
  all: Map<string, StoredRecord>
  clock: { ms: number }
} => {
  const all = new Map<string, StoredRecord>()
  const clock = { ms: Date.now() }
  return {
    all,
    clock,
    now: () => clock.ms,
    putRecords: async (records) =>
      records.map((record) => {
        const free = (all.get(record.id)?.rev ?? 0) === record.rev - 1
        if (free) all.set(record.id, structuredClone(record))
        return free
      }),
    getRecords: async (_kind, ids) => ids.map((id) => structuredClone(all.get(id))),
    listRecords: async ({ ref, limit }) => [...all.values()].filter((record) => record.ref === ref).slice(0, limit),
    dropRecords: async (_kind, ids) => {
      for (const id of ids) all.delete(id)
    },
  }
}
