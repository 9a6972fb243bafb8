/**
 * POST /api/v1/runs/{id}/events: what an agent said and did, in numbered batches. The lease's token fences late holders. What many runs say
 * at once is stored together; a run alone waits for nobody.
 */
import { createBatcher, type runEventsAnswer } from '@tutti/contracts'
import type { z } from 'zod'
import type { WorkbenchDeps } from '../deps.ts'
import type { Batch } from './fresh-events.ts'
import { storeAlone } from './store-alone.ts'
import { isPlain, type RunBatch, type Stored, storeTogether } from './store-together.ts'

/** @throws TuttiError RUN_NOT_FOUND, LEASE_LOST; EventGapError */
export type StoreEvents = (runId: string, batch: Batch) => Promise<z.output<typeof runEventsAnswer>>

/** Two, so that one gathers and is parsed while PostgreSQL writes the other. */
const transactionsAtOnce = 2
/** Sessions whose locks one transaction holds at most. */
const mostTogether = 100

export const createEventStore = (deps: WorkbenchDeps): StoreEvents => {
  const together = createBatcher<RunBatch, Stored>({
    maxBatch: mostTogether,
    maxInFlight: transactionsAtOnce,
    call: (batches) => storeMany(deps, batches),
  })
  return async (runId, batch) => {
    if (!isPlain(batch)) return { received: await storeAlone(deps, runId, batch) }
    const stored = await together.add({ runId, batch })
    if ('error' in stored) throw stored.error
    return stored
  }
}

/** One batch that can't be stored, or whose session is busy, must not hold up the others: it is tried alone. */
const storeMany = async (deps: WorkbenchDeps, batches: RunBatch[]): Promise<Stored[]> => {
  const firsts = [...new Map(batches.toReversed().map((each) => [each.runId, each])).values()]
  let together = new Map<RunBatch, Stored>()
  try {
    together = await storeTogether(deps.database, firsts)
  } catch (error) {
    if (batches.length === 1) return [{ error }]
  }
  return Promise.all(
    batches.map(
      (each) =>
        together.get(each) ??
        storeAlone(deps, each.runId, each.batch).then(
          (received) => ({ received }),
          (error: unknown) => ({ error }),
        ),
    ),
  )
}
