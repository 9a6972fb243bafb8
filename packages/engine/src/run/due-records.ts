/** Records that are due: each handed to the handler of its kind, on one instance at a time. */
import type { Engine } from '../engine.ts'
import type { Store, StoredRecord } from '../store/port.ts'

export interface DueRecordsDeps {
  store: Store
  /** How long another instance keeps off a record that is being handled here. */
  leaseMs: number
  onError: (error: unknown) => void
  /** Something is due at this instant: look no later. */
  expect: (dueAt: number) => void
}

export interface DueRecords {
  onDue: Engine['onDue']
  /** Kinds that there is a free handler for. */
  kinds(): string[]
  /** Takes what is due and begins to handle it; does not wait for that, as a webhook's receiver may take its time. */
  look(): Promise<void>
  /** Resolves when nothing is being handled. */
  idle(): Promise<void>
}

/** Of one kind at a time: enough that one slow receiver does not hold up the others. */
const atOnce = 50

type Handle = Parameters<Engine['onDue']>[1]

export const createDueRecords = ({ store, leaseMs, onError, expect }: DueRecordsDeps): DueRecords => {
  const handlers = new Map<string, { handle: Handle; running: Set<Promise<void>> }>()

  const settle = async (record: StoredRecord, handle: Handle): Promise<void> => {
    try {
      const next = await handle(record)
      if (next) {
        await store.putRecords([next])
        if (next.dueAt !== null) expect(next.dueAt)
      } else await store.dropRecords(record.kind, [record.id])
    } catch (error) {
      // It comes again when its lease is over.
      onError(error)
    }
  }
  const free = (): string[] => [...handlers].flatMap(([kind, { running }]) => (running.size < atOnce ? [kind] : []))

  return {
    onDue: (kind, handle) => {
      if (handlers.has(kind)) throw new Error(`there is a handler for records of kind "${kind}" already`)
      handlers.set(kind, { handle, running: new Set() })
    },
    kinds: free,
    look: async () => {
      await Promise.all(
        [...handlers].map(async ([kind, { handle, running }]) => {
          const limit = atOnce - running.size
          if (limit <= 0) return
          const records = await store.leaseRecords({ kind, limit, leaseMs })
          for (const record of records) {
            const work = settle(record, handle).finally(() => {
              const full = running.size >= atOnce
              running.delete(work)
              // More may be due than there were hands for.
              if (full) expect(store.now())
            })
            running.add(work)
          }
        }),
      )
    },
    idle: async () => {
      for (const { running } of handlers.values()) await Promise.all(running)
    },
  }
}
