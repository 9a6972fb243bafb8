/** What of a batch is new to its run. */
import { freshEvents as freshAfter, type NumberedAgentEvent, type runEvents, TuttiError } from '@tutti/contracts'
import type { z } from 'zod'
import { plainJson } from '../session/plain-json.ts'
import type { RunRow } from '../session/rows.ts'
import { storable } from '../session/storable.ts'

export type Batch = z.output<typeof runEvents>

/** A gap in the numbers: nothing was stored. The manager still holds the run, and goes on from `expected`. */
export class EventGapError extends Error {
  override readonly name = 'EventGapError'
  readonly expected: number

  constructor(expected: number, got: number) {
    super(`event ${expected} is missing: the next one sent is ${got}`)
    this.expected = expected
  }
}

export interface Fresh {
  /** Fit to be stored. */
  events: NumberedAgentEvent[]
  /** The last number that the run has with them. */
  received: number
}

/** @throws TuttiError LEASE_LOST for another attempt's; EventGapError */
export const freshEvents = (run: Pick<RunRow, 'id' | 'attempt' | 'received_n'>, { attempt, events }: Batch): Fresh => {
  if (run.attempt !== attempt)
    throw new TuttiError('LEASE_LOST', `Run ${run.id} is in attempt ${run.attempt}, not ${attempt}`)
  const fresh = freshAfter(run.received_n, events)
  if ('gap' in fresh) throw new EventGapError(fresh.gap.expected, fresh.gap.got)
  return { events: storable(plainJson(fresh.events)) as unknown as NumberedAgentEvent[], received: fresh.received }
}
