/**
 * Events of many runs on their way to the backend. What gathers while a request is under way leaves with the next one; an event alone
 * goes at once. A request for each batch of each run would cost manager and backend more than the events themselves.
 */
import {
  createBatcher,
  isShownOnly,
  manyRunEventsAnswer,
  type runEvents,
  type runEventsAnswer,
  runEventsAnswer as runEventsAnswerSchema,
} from '@tutti/contracts'
import { BackendError, kindOf } from './error.ts'

type Batch = (typeof runEvents)['_output']
type Received = (typeof runEventsAnswer)['_output']

/** Rejects with `BackendError` only. */
export type SendEvents = (runId: string, batch: Batch) => Promise<Received>

interface Item {
  runId: string
  batch: Batch
}
type Outcome = Received | BackendError

const mostTogether = 50
/** Two, so that a slow answer for some runs does not keep the others waiting. */
const requestsAtOnce = 2
/** What is stored costs ten statements for each transaction, and waits for a disk anyway. */
const distanceMs = { stored: 4, shown: 2 } as const

/** @param post asks below `/api/v1/runs/`, rejecting with `BackendError` only */
export const createEventSender = (post: (path: string, body: object) => Promise<unknown>): SendEvents => {
  const alone = async ({ runId, batch }: Item): Promise<Outcome> => {
    const answer = runEventsAnswerSchema.safeParse(await post(`${runId}/events`, batch))
    return answer.success ? answer.data : strange()
  }
  const together = async (items: Item[]): Promise<Outcome[]> => {
    const body = { batches: items.map(({ runId, batch }) => ({ run_id: runId, ...batch })) }
    const answer = manyRunEventsAnswer.safeParse(await post('events', body))
    if (!answer.success || answer.data.answers.length !== items.length) throw strange()
    return answer.data.answers.map((each) =>
      'received' in each
        ? each
        : new BackendError(
            kindOf(each.error.status, each.error.code),
            `the backend answered ${each.error.message}`,
            each.error,
          ),
    )
  }
  const send = async (items: Item[]): Promise<Outcome[]> => {
    if (items.length > 1) {
      try {
        return await together(items)
      } catch (error) {
        // All of them were refused for one of them, or are too much together: each is heard for itself.
        if (!(error instanceof BackendError) || error.kind !== 'refused') throw error
      }
    }
    return Promise.all(items.map((item) => alone(item).catch(asOutcome)))
  }
  const batcher = (everyMs: number) =>
    createBatcher({ maxBatch: mostTogether, maxInFlight: requestsAtOnce, everyMs, call: send })
  // Text that somebody watches being said does not wait in one request with what has to reach a disk.
  const [stored, shown] = [batcher(distanceMs.stored), batcher(distanceMs.shown)]
  return async (runId, batch) => {
    const outcome = await (isShownOnly(batch.events) ? shown : stored).add({ runId, batch })
    if (outcome instanceof BackendError) throw outcome
    return outcome
  }
}

const asOutcome = (error: unknown): BackendError => {
  if (error instanceof BackendError) return error
  throw error
}

const strange = (): BackendError =>
  new BackendError('refused', 'the backend’s answer is not what this version expects', { status: 200 })
