/**
 * POST /api/v1/runs/{id}/events: what an agent said and did, in numbered batches. The lease's token fences late holders. What many runs say
 * at once is stored together; a run alone waits for nobody.
 */
import { createBatcher, isShownOnly, type runEventsAnswer } from '@tutti/contracts'
import type { z } from 'zod'
import type { WorkbenchDeps } from '../deps.ts'
import type { Batch } from './fresh-events.ts'
import { showTogether } from './show-together.ts'
import { storeAlone } from './store-alone.ts'
import { isPlain, type RunBatch, type Stored, storeTogether } from './store-together.ts'

/** @throws TuttiError RUN_NOT_FOUND, LEASE_LOST; EventGapError */
export type StoreEvents = (runId: string, batch: Batch) => Promise<z.output<typeof runEventsAnswer>>

/** Two, so that one gathers and is parsed while PostgreSQL writes the other. */
const transactionsAtOnce = 2
/** Sessions whose locks one transaction holds at most. */
const mostTogether = 100

export const createEventStore = (deps: WorkbenchDeps): StoreEvents => {
  const together = createBatcher<RunBatch, Stored | null>({
    maxBatch: mostTogether,
    maxInFlight: transactionsAtOnce,
    call: (batches) => storeMany(deps, batches),
  })
  const shown = createBatcher<RunBatch, Stored>({
    maxBatch: mostTogether,
    maxInFlight: transactionsAtOnce,
    call: (batches) => showTogether(deps.database, batches),
  })
  return async (runId, batch) => {
    if (isShownOnly(batch.events)) return received(await shown.add({ runId, batch }))
    const stored = isPlain(batch) ? await together.add({ runId, batch }) : null
    if (stored === null) return { received: await storeAlone(deps, runId, batch) }
    return received(stored)
  }
}

const received = (stored: Stored): { received: number } => {
  if ('error' in stored) throw stored.error
  return stored
}

/** Null for a batch that is to be stored alone: one that can't be stored, or whose session is busy, must not hold up the others. */
const storeMany = async ({ database }: WorkbenchDeps, batches: RunBatch[]): Promise<(Stored | null)[]> => {
  const firsts = [...new Map(batches.toReversed().map((each) => [each.runId, each])).values()]
  try {
    const stored = await storeTogether(database, firsts)
    return batches.map((each) => stored.get(each) ?? null)
  } catch (error) {
    return batches.length === 1 ? [{ error }] : batches.map(() => null)
  }
}
