/** The numbers of events make a repeated batch harmless and a lost one visible. */
import { type NumberedAgentEvent, type runEvents, TuttiError } from '@tutti/contracts'
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

/** The batch's events that are new, fit to be stored. @throws TuttiError LEASE_LOST for another attempt's; EventGapError */
export const freshEvents = (
  run: Pick<RunRow, 'id' | 'attempt' | 'received_n'>,
  { attempt, events }: Batch,
): NumberedAgentEvent[] => {
  if (run.attempt !== attempt)
    throw new TuttiError('LEASE_LOST', `Run ${run.id} is in attempt ${run.attempt}, not ${attempt}`)
  const fresh = events.filter(({ n }) => n > run.received_n)
  fresh.forEach(({ n }, at) => {
    const expected = run.received_n + at + 1
    if (n !== expected) throw new EventGapError(expected, n)
  })
  return storable(plainJson(fresh)) as unknown as NumberedAgentEvent[]
}
