/**
 * Taking an attempt's events from the executor to the backend. A receipt says that the backend has stored them, not that
 * this process has read them: what the executor forgets must survive this process.
 */
import {
  type AgentEvent,
  type ClaimedRun,
  type EventBatch,
  freshEvents,
  isShownOnly,
  type NumberedAgentEvent,
} from '@tutti/contracts'
import type { Logger } from '@tutti/telemetry'
import type { BackendClient } from '../backend/client.ts'
import { BackendError, isLeaseLost, isUnreachable } from '../backend/error.ts'
import { persist } from '../backend/persist.ts'
import type { Lease } from '../claim/lease.ts'
import { messageOf } from '../fault.ts'

export type FinalEvent = Extract<AgentEvent, { type: 'done' | 'parked' | 'error' }>

const isFinal = (event: AgentEvent): event is FinalEvent =>
  event.type === 'done' || event.type === 'parked' || event.type === 'error'

/** What the executor is told of a batch. */
export type Taken =
  | { kind: 'received'; upTo: number }
  /** The attempt is not this run's present one any more. */
  | { kind: 'replaced' }
  /** The batch leaves out events, or the backend wants none of it. */
  | { kind: 'refused'; message: string }

export interface Intake {
  take(batch: EventBatch): Promise<Taken>
  /** Resolves with the turn's last event, once the backend has it. */
  readonly final: Promise<FinalEvent>
  /** Resolves with what the backend said when it would not store the events. */
  readonly refused: Promise<string>
  /** Resolves when no batch is on its way. */
  idle(): Promise<void>
}

export interface IntakeOptions {
  claimed: Pick<ClaimedRun, 'run_id' | 'attempt' | 'lease_token'>
  workerId: string
  lease: Lease
}

export const createIntake = (deps: { backend: BackendClient; log: Logger }, options: IntakeOptions): Intake => {
  const { claimed, workerId, lease } = options
  const final = Promise.withResolvers<FinalEvent>()
  const refused = Promise.withResolvers<string>()
  let received = 0
  let tail: Promise<unknown> = Promise.resolve()

  const store = async (events: NumberedAgentEvent[]): Promise<Taken> => {
    const { attempt, lease_token } = claimed
    const send = () => deps.backend.events(claimed.run_id, { worker_id: workerId, lease_token, attempt, events })
    try {
      const answer = await (isShownOnly(events) ? send() : persist(send, { signal: lease.over, log: deps.log }))
      received = Math.max(received, answer.received)
    } catch (error) {
      // The complete text follows in a message: what is late shows nobody anything.
      if (isShownOnly(events) && isUnreachable(error)) return { kind: 'received', upTo: received }
      if (lease.over.aborted) return { kind: 'replaced' }
      if (isLeaseLost(error)) {
        lease.lose(messageOf(error))
        return { kind: 'replaced' }
      }
      if (!(error instanceof BackendError)) throw error
      deps.log.error({ reason: error.message }, 'the backend refused events')
      refused.resolve(error.message)
      return { kind: 'refused', message: error.message }
    }
    for (const { n, event } of events) if (n <= received && isFinal(event)) final.resolve(event)
    return { kind: 'received', upTo: received }
  }

  const takeInTurn = async (batch: EventBatch): Promise<Taken> => {
    if (lease.over.aborted || batch.run_id !== claimed.run_id || batch.attempt !== claimed.attempt) {
      return { kind: 'replaced' }
    }
    const fresh = freshEvents(received, batch.events)
    if ('gap' in fresh) return { kind: 'refused', message: `event ${fresh.gap.expected} is missing` }
    return fresh.events.length === 0 ? { kind: 'received', upTo: received } : store(fresh.events)
  }

  return {
    take: (batch) => {
      // One after the other: a batch that the executor sent again while the first copy is on its way waits for that one.
      const taken = tail.then(() => takeInTurn(batch))
      tail = taken.catch(() => undefined)
      return taken
    },
    final: final.promise,
    refused: refused.promise,
    idle: async () => {
      for (let seen: unknown; seen !== tail; ) {
        seen = tail
        await tail
      }
    },
  }
}
