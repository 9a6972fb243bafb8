/** A worker's life as the engine keeps it: it registers, gives signs of life, is drained, and leaves. */
import { type JsonObject, TuttiError } from '@tutti/contracts'
import type { Engine, EngineSettings, ListedWorker } from '../engine.ts'
import type { Store, WorkerRecord } from '../store/port.ts'
import { skillsIn } from './capabilities.ts'
import type { Directory } from './directory.ts'
import type { Drains } from './drains.ts'
import type { Held } from './held.ts'
import type { Reputation } from './reputation.ts'
import type { Worker } from './worker.ts'

export interface DeskDeps {
  store: Store
  settings: Pick<EngineSettings, 'workerTtlMs' | 'taskLeaseMs'>
  directory: Directory
  drains: Drains
  reputation: Reputation
  held: Held
  /** Leases have ended: look at the clock no later than this. */
  expect: (dueAt: number) => void
  onError: (error: unknown) => void
}

export interface Desk
  extends Pick<
    Engine,
    | 'register'
    | 'heartbeat'
    | 'drain'
    | 'deregister'
    | 'renew'
    | 'giveBackOthers'
    | 'workers'
    | 'worker'
    | 'knownWorker'
  > {
  /** A poll is a sign of life, too; written at most every few seconds. */
  seen(worker: Worker): void
}

/** Between two signs of life that are written because of polls. */
const seenMs = 5_000

export const createDesk = (deps: DeskDeps): Desk => {
  const { store, settings, directory, drains, reputation, held, expect, onError } = deps
  const signEveryMs = Math.min(seenMs, settings.workerTtlMs / 4)
  const touching = new Set<string>()

  const listing = (): { lastSeenAt: number; expiresAt: number } => {
    const lastSeenAt = store.now()
    return { lastSeenAt, expiresAt: lastSeenAt + settings.workerTtlMs }
  }
  const touch = async (id: string, info: JsonObject): Promise<WorkerRecord> => {
    const skills = skillsIn(info)
    const record = await store.touchWorker({ id, info, ...(skills ? { skills } : {}), ...listing() })
    if (!record) {
      directory.forget(id)
      throw notFound()
    }
    return directory.adopt(record).record
  }
  const listed = (record: WorkerRecord): ListedWorker => ({
    ...record,
    drained: drains.has(record.id),
    reputation: reputation.of(record.id),
  })
  const endLeases = async (id: string): Promise<void> => {
    await store.expireLeases(id)
    held.forget(id)
    expect(store.now())
  }
  const renew = async (id: string, leaseMs: number, taskIds?: string[]): Promise<string[]> => {
    const tasks = await store.renew({ worker: id, leaseMs, ...(taskIds ? { taskIds } : {}) })
    held.confirm(id, tasks, store.now() + leaseMs, taskIds)
    return tasks
  }
  const marks = (ids: string[]): Promise<unknown> => Promise.all([drains.load(ids), reputation.load(ids)])

  return {
    register: async (declaration) => {
      const { lastSeenAt, expiresAt } = listing()
      const record: WorkerRecord = { ...declaration, registeredAt: lastSeenAt, lastSeenAt, expiresAt }
      const [former] = await Promise.all([store.putWorker(record), marks([record.id])])
      directory.adopt(record)
      if (former && declaration.bootId !== null && former.bootId !== declaration.bootId) await endLeases(record.id)
      return record
    },
    heartbeat: async (id, patch, taskIds) => {
      const known = directory.peek(id)
      // A mere "alive" that follows another one closely has nothing to write.
      const fresh = known && store.now() - known.record.lastSeenAt < signEveryMs && Object.keys(patch).length === 0
      const [tasks, record] = await Promise.all([
        renew(id, settings.taskLeaseMs, taskIds),
        fresh ? known.record : touch(id, patch),
      ])
      return { record: listed(record), held: tasks }
    },
    drain: async (id, drained) => {
      const worker = await directory.find(id)
      if (!worker) throw notFound()
      await drains.set(id, drained)
      directory.reconsider([id])
      return listed(worker.record)
    },
    deregister: async (id) => {
      await store.removeWorker(id)
      directory.forget(id)
      await endLeases(id)
    },
    renew: (worker, taskIds, leaseMs) => renew(worker, leaseMs, taskIds),
    giveBackOthers: async (worker, taskIds) => {
      // By nothing: it is how the Store tells what the worker holds.
      const all = await store.renew({ worker, leaseMs: 0 })
      const strays = await Promise.all(
        all.filter((id) => !taskIds.includes(id)).map(async (id) => ({ id, token: await store.held(worker, id) })),
      )
      const given = strays.flatMap(({ id, token }): [string, string][] => (token === undefined ? [] : [[id, token]]))
      if (given.length > 0) await store.release(given)
      const ids = given.map(([id]) => id)
      held.remove(worker, ids)
      return ids
    },
    workers: async () => {
      const records = await store.workers()
      await marks(records.map((record) => record.id))
      return records.map(listed)
    },
    worker: async (id) => {
      const [record] = await Promise.all([store.worker(id), marks([id])])
      return record && listed(record)
    },
    knownWorker: async (id) => {
      const known = await directory.find(id)
      return known && listed(known.record)
    },
    seen: ({ id, record }) => {
      if (touching.has(id) || store.now() - record.lastSeenAt < signEveryMs) return
      touching.add(id)
      touch(id, {})
        .catch((error: unknown) => {
          // Its next poll is told.
          if (!(error instanceof TuttiError && error.code === 'WORKER_NOT_FOUND')) onError(error)
        })
        .finally(() => touching.delete(id))
    },
  }
}

const notFound = (): TuttiError => new TuttiError('WORKER_NOT_FOUND', 'Worker not found')
