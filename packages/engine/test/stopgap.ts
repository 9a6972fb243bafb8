import type { Store, StoredRecord, Wakeup } from '../src/index.ts'
/** Until the memory store has them. */
export const stopgap = (store: Store): Store => {
  if ('touchWorker' in store) return store
  const base = store as Store
  const listeners = new Set<(wakeup: Wakeup) => void>()
  const tell = (wakeup: Wakeup): void => {
    queueMicrotask(() => {
      for (const listener of listeners) listener(wakeup)
    })
  }
  const names = new Set<string>()
  const records = new Map<string, StoredRecord>()
  const gone = new Set<string>()
  const buckets = new Map<string, { at: number; left: number }>()
  const key = (kind: string, id: string) => `${kind} ${id}`
  const self: Store = {
    ...base,
    commit: async (changes) => {
      for (const change of changes) for (const task of change.enqueue) names.add(task.queue)
      return base.commit(changes)
    },
    queues: async () => [...names],
    putWorker: async (worker) => {
      const former = gone.delete(worker.id) ? undefined : await base.worker(worker.id)
      await base.putWorker(worker)
      tell({ workers: [worker.id] })
      return former
    },
    worker: async (id) => (gone.has(id) ? undefined : base.worker(id)),
    workers: async () => (await base.workers()).filter((each) => !gone.has(each.id)),
    touchWorker: async ({ id, info, ...rest }) => {
      const known = await self.worker(id)
      if (!known) return undefined
      const record = { ...known, ...rest, info: { ...known.info, ...info } }
      await base.putWorker(record)
      if (JSON.stringify([record.info, record.skills]) !== JSON.stringify([known.info, known.skills]))
        tell({ workers: [id] })
      return record
    },
    removeWorker: async (id) => {
      gone.add(id)
      tell({ workers: [id] })
    },
    putRecords: async (given) => {
      const taken = given.map((record) => {
        const at = key(record.kind, record.id)
        if ((records.get(at)?.rev ?? 0) !== record.rev - 1) return false
        records.set(at, structuredClone(record))
        return true
      })
      tell({ records: given.map((each) => each.kind) })
      return taken
    },
    getRecords: async (kind, ids) => ids.map((id) => structuredClone(records.get(key(kind, id)))),
    dropRecords: async (kind, ids) => {
      for (const id of ids) records.delete(key(kind, id))
      tell({ records: [kind] })
    },
    draw: async (draws) =>
      draws.map(({ key: name, want, budget }) => {
        if (budget.kind !== 'bucket') throw new Error('not here')
        const bucket = buckets.get(name) ?? { at: base.now(), left: budget.capacity }
        bucket.left = Math.min(budget.capacity, bucket.left + (base.now() - bucket.at) * budget.refillPerMs)
        bucket.at = base.now()
        buckets.set(name, bucket)
        const granted = want < 0 ? want : Math.min(want, Math.floor(bucket.left + 1e-9))
        bucket.left = Math.min(budget.capacity, bucket.left - granted)
        const retryAt = granted < want ? base.now() + (want - granted - bucket.left) / budget.refillPerMs : null
        return { granted: Math.max(0, granted), left: bucket.left, retryAt }
      }),
    subscribe: (listener) => {
      const stop = base.subscribe(listener)
      listeners.add(listener)
      return () => {
        stop()
        listeners.delete(listener)
      }
    },
  }
  return self
}
