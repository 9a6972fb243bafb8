/** The records of the memory Store. */
import { copyJson, type RecordQuery, type StoredRecord } from '@tutti/engine'

export interface Records {
  /** @returns whether it was taken */
  put(record: StoredRecord): boolean
  get(kind: string, id: string): StoredRecord | undefined
  list(query: RecordQuery): StoredRecord[]
  lease(kind: string, limit: number, leaseMs: number): StoredRecord[]
  /** @returns whether it was there */
  drop(kind: string, id: string): boolean
  /** Forgets those that have expired. */
  purge(): void
  /** When records of these kinds fall due. */
  instants(kinds: string[]): number[]
}

export const createRecords = (now: () => number): Records => {
  const kinds = new Map<string, Map<string, StoredRecord>>()
  const lives = ({ expiresAt }: StoredRecord): boolean => expiresAt === null || expiresAt > now()
  const get = (kind: string, id: string): StoredRecord | undefined => {
    const record = kinds.get(kind)?.get(id)
    return record && lives(record) ? record : undefined
  }
  const store = (record: StoredRecord): void => {
    const ofKind = kinds.get(record.kind) ?? new Map<string, StoredRecord>()
    kinds.set(record.kind, ofKind.set(record.id, copyJson(record)))
  }
  const living = (kind: string): StoredRecord[] => [...(kinds.get(kind)?.values() ?? [])].filter(lives)

  return {
    put: (record) => {
      if ((get(record.kind, record.id)?.rev ?? 0) !== record.rev - 1) return false
      store(record)
      return true
    },
    get: (kind, id) => copyJson(get(kind, id)),
    list: ({ kind, owner = null, ref, limit, newest = false, after }) => {
      const before = (a: string, b: string): boolean => (newest ? a > b : a < b)
      const found = living(kind)
        .filter((record) => owner === null || record.owner === owner)
        .filter((record) => ref === undefined || record.ref === ref)
        .filter((record) => after === undefined || before(after, record.id))
        .sort((a, b) => (before(a.id, b.id) ? -1 : 1))
      return copyJson(found.slice(0, limit))
    },
    lease: (kind, limit, leaseMs) => {
      const due = living(kind)
        .filter(({ dueAt }) => dueAt !== null && dueAt <= now())
        .sort((a, b) => (a.dueAt ?? 0) - (b.dueAt ?? 0))
        .slice(0, limit)
      return due.map((record) => {
        const leased = { ...record, rev: record.rev + 1, dueAt: now() + leaseMs }
        store(leased)
        return copyJson(leased)
      })
    },
    drop: (kind, id) => kinds.get(kind)?.delete(id) === true,
    purge: () => {
      for (const ofKind of kinds.values()) for (const [id, record] of ofKind) if (!lives(record)) ofKind.delete(id)
    },
    instants: (of) => of.flatMap((kind) => living(kind).flatMap(({ dueAt }) => dueAt ?? [])),
  }
}
