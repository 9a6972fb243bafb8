/**
 * How far workers are trusted, between 0 and 1. What they earn is gathered in memory and written every few seconds; a worker that is at
 * 1 and goes on to succeed costs no write at all. The figure belongs to the worker's id and outlives its registration.
 */
import type { ReputationSettings } from '../engine.ts'
import type { After } from '../run/after.ts'
import type { Store, StoredRecord } from '../store/port.ts'

export const reputationKind = 'reputation'

export type Deed = 'success' | 'failure' | 'violation'

export interface Reputation {
  of(id: string): number
  note(id: string, deed: Deed): void
  /** Reads the figures of these workers. */
  load(ids: string[]): Promise<void>
  /** Writes what was gathered. What can't be written is kept for the next time. */
  flush(): Promise<void>
  /** Writes for the last time. */
  stop(): Promise<void>
}

export interface ReputationDeps {
  store: Pick<Store, 'getRecords' | 'putRecords' | 'now'>
  settings: ReputationSettings
  after: After
  newId: () => string
  onChange: (id: string) => void
  onError: (error: unknown) => void
}

interface Figure {
  stored: number
  rev: number
  /** Not written yet. */
  gathered: number
  /** Marks what this instance wrote last, to know it again when the answer was lost on its way. */
  write: { mark: string; amount: number } | null
}

const flushMs = 3_000
/** A worker nobody heard of for so long begins anew. */
const keptMs = 90 * 86_400_000
const maxTries = 5

export const createReputation = (deps: ReputationDeps): Reputation => {
  const { store, settings, after, newId, onChange, onError } = deps
  const figures = new Map<string, Figure>()
  let cancel: (() => void) | null = null
  let flushing: Promise<void> = Promise.resolve()
  const steps: Record<Deed, number> = {
    success: settings.reward,
    failure: -settings.failurePenalty,
    violation: -settings.violationPenalty,
  }

  const figure = (id: string): Figure => {
    const known = figures.get(id) ?? { stored: 1, rev: 0, gathered: 0, write: null }
    figures.set(id, known)
    return known
  }
  const scoreOf = ({ stored, gathered }: Figure): number => clamp(stored + gathered)

  const learn = (id: string, record: StoredRecord | undefined): void => {
    if (!record && !figures.has(id)) return
    const known = figure(id)
    const before = scoreOf(known)
    if (known.write && record?.body.write === known.write.mark)
      known.gathered = rounded(known.gathered - known.write.amount)
    known.stored = typeof record?.body.score === 'number' ? clamp(record.body.score) : 1
    known.rev = record?.rev ?? 0
    known.write = null
    if (scoreOf(known) !== before) onChange(id)
  }

  const writeAll = async (): Promise<void> => {
    for (let tries = 0; tries < maxTries; tries += 1) {
      const due = [...figures].filter(([, known]) => unwritten(known))
      if (due.length === 0) return
      // An answer was lost: whether that write was taken must be known first, or it would count twice.
      const unsure = due.filter(([, known]) => known.write !== null).map(([id]) => id)
      if (unsure.length > 0) {
        const records = await store.getRecords(reputationKind, unsure)
        unsure.forEach((id, at) => {
          learn(id, records[at])
        })
        continue
      }
      const records = due.map(([id, known]): StoredRecord => {
        known.write = { mark: newId(), amount: known.gathered }
        return {
          kind: reputationKind,
          id,
          owner: null,
          ref: null,
          rev: known.rev + 1,
          dueAt: null,
          expiresAt: store.now() + keptMs,
          body: { score: scoreOf(known), write: known.write.mark },
        }
      })
      const taken = await store.putRecords(records)
      due.forEach(([, known], at) => {
        if (!taken[at] || !known.write) return
        known.stored = clamp(known.stored + known.write.amount)
        known.rev += 1
        known.gathered = rounded(known.gathered - known.write.amount)
        known.write = null
      })
    }
  }
  const flush = (): Promise<void> => {
    flushing = flushing.then(writeAll).catch(onError)
    return flushing
  }
  const schedule = (): void => {
    cancel ??= after(flushMs, () => {
      cancel = null
      void flush().then(() => {
        if ([...figures.values()].some(unwritten)) schedule()
      })
    })
  }

  return {
    of: (id) => {
      const known = figures.get(id)
      return known ? scoreOf(known) : 1
    },
    note: (id, deed) => {
      const known = figure(id)
      const before = scoreOf(known)
      const next = clamp(before + steps[deed])
      if (next === before) return
      known.gathered = rounded(known.gathered + next - before)
      onChange(id)
      schedule()
    },
    load: async (ids) => {
      // What is being written is learnt from the answer to that.
      await flushing
      const records = await store.getRecords(reputationKind, ids)
      ids.forEach((id, at) => {
        if (figures.get(id)?.write === null || !figures.has(id)) learn(id, records[at])
      })
    },
    flush,
    stop: async () => {
      cancel?.()
      cancel = null
      await flush()
    },
  }
}

const unwritten = ({ gathered, write }: Figure): boolean => gathered !== 0 || write !== null

/** So that a thousand small steps do not end beside the mark. */
const rounded = (value: number): number => Math.round(value * 1e6) / 1e6
const clamp = (value: number): number => rounded(Math.min(1, Math.max(0, value)))
