/**
 * The workers that are registered, kept in memory: polls must not cost a read each. News of workers make a record be read again, and
 * now and then all of them are, should news have been lost.
 */
import type { WorkerRecord } from '../store/port.ts'
import { type Capabilities, capabilitiesOf, conditionOf } from './capabilities.ts'
import { isLeaving, type Worker } from './worker.ts'

export interface DirectoryDeps {
  readAll: () => Promise<WorkerRecord[]>
  read: (id: string) => Promise<WorkerRecord | undefined>
  /** Learns what is kept beside the records; called before they are taken over. */
  readMarks: (ids: string[]) => Promise<void>
  drained: (id: string) => boolean
  reputation: (id: string) => number
  /** A worker below is the second choice. */
  minimum: number
  now: () => number
  maxAgeMs: number
  /** What this worker may take has changed; with `less` set, others may now take what was its own. */
  onChange: (id: string, less: boolean) => void
  onError: (error: unknown) => void
}

export interface Directory {
  /** Asks the Store only for one that is not known, or of whom there is news. */
  find(id: string): Promise<Worker | undefined>
  /** Without asking anybody. */
  peek(id: string): Worker | undefined
  all(): Worker[]
  /** Changes whenever the answer to "who may take this?" may have changed. */
  version(): number
  /** Takes over a record that was just written or read. */
  adopt(record: WorkerRecord): Worker
  forget(id: string): void
  /** Its marks (drain, reputation) have changed. */
  reconsider(ids: Iterable<string>): void
  /** News: read these again. */
  heard(ids: string[]): void
  /** Reads all again when that was too long ago. Waits only at the first time. */
  refresh(): Promise<void>
  /** Anything may have changed. */
  doubt(): void
}

/** So many reads of one worker cost about as much as one of all. */
const manyReads = 20

export const createDirectory = (deps: DirectoryDeps): Directory => {
  const { now, maxAgeMs, onError } = deps
  const workers = new Map<string, Worker>()
  let alike = new Map<string, Capabilities>()
  let version = 0
  let readAt = Number.NEGATIVE_INFINITY
  let readingAll: Promise<void> | null = null
  let rereading = false
  const stale = new Set<string>()
  /** Taken over or forgotten since the reading of all began: its answer may be older. */
  let recent = new Set<string>()

  const shared = (capabilities: Capabilities): Capabilities => {
    const key = JSON.stringify(capabilities)
    const known = alike.get(key)
    if (known) return known
    alike.set(key, capabilities)
    return capabilities
  }
  const place = (record: WorkerRecord): Worker => {
    const former = workers.get(record.id)
    const worker: Worker = {
      id: record.id,
      record,
      capabilities: shared(capabilitiesOf(record)),
      condition: conditionOf(record),
      drained: deps.drained(record.id),
      reputation: deps.reputation(record.id),
    }
    workers.set(record.id, worker)
    const trusted = worker.reputation >= deps.minimum
    const same =
      former !== undefined &&
      former.capabilities === worker.capabilities &&
      isLeaving(former) === isLeaving(worker) &&
      former.reputation >= deps.minimum === trusted
    if (!same) {
      version += 1
      deps.onChange(record.id, former !== undefined)
    }
    return worker
  }
  const forget = (id: string): void => {
    recent.add(id)
    stale.delete(id)
    if (!workers.delete(id)) return
    version += 1
    deps.onChange(id, true)
  }
  const present = (worker: Worker | undefined): Worker | undefined =>
    worker && worker.record.expiresAt > now() ? worker : undefined

  const readOne = async (id: string): Promise<Worker | undefined> => {
    stale.delete(id)
    try {
      const [record] = await Promise.all([deps.read(id), deps.readMarks([id])])
      if (record) return place(record)
    } catch (error) {
      stale.add(id)
      throw error
    }
    forget(id)
    return undefined
  }
  const readEveryone = async (): Promise<void> => {
    recent = new Set()
    const began = now()
    const records = await deps.readAll()
    await deps.readMarks(records.map((record) => record.id))
    readAt = began
    alike = new Map()
    const found = new Set(records.map((record) => record.id))
    for (const record of records) if (!recent.has(record.id)) place(record)
    for (const id of [...workers.keys()]) if (!found.has(id) && !recent.has(id)) forget(id)
  }
  /** One after another: news that come meanwhile are answered together. */
  const reread = async (): Promise<void> => {
    while (stale.size > 0) {
      const ids = [...stale]
      if (ids.length < manyReads) await Promise.all(ids.map(readOne))
      else {
        for (const id of ids) stale.delete(id)
        await readEveryone()
      }
    }
  }

  const directory: Directory = {
    find: async (id) => {
      await directory.refresh()
      const known = present(workers.get(id))
      return known && !stale.has(id) ? known : readOne(id)
    },
    peek: (id) => present(workers.get(id)),
    all: () => [...workers.values()].filter((worker) => present(worker) !== undefined),
    version: () => version,
    adopt: (record) => {
      recent.add(record.id)
      return place(record)
    },
    forget,
    reconsider: (ids) => {
      for (const id of ids) {
        const known = workers.get(id)
        if (known) place(known.record)
      }
    },
    heard: (ids) => {
      for (const id of ids) stale.add(id)
      // Nobody has asked for a worker yet: there is nothing to keep up to date.
      if (readAt === Number.NEGATIVE_INFINITY) stale.clear()
      if (rereading) return
      rereading = true
      reread()
        .catch(onError)
        .finally(() => {
          rereading = false
        })
    },
    refresh: async () => {
      if (now() - readAt < maxAgeMs) return
      readingAll ??= readEveryone().finally(() => {
        readingAll = null
      })
      if (readAt === Number.NEGATIVE_INFINITY) await readingAll
      else readingAll.catch(onError)
    },
    doubt: () => {
      readAt = Math.min(readAt, now() - maxAgeMs)
    },
  }
  return directory
}
