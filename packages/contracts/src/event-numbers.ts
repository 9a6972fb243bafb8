/**
 * Numbers of an attempt's events. They make a batch that is sent again harmless, and one that is lost visible. Only what is stored counts:
 * 1, 2, 3, … without gaps. A delta is shown and not stored, so it has the number of the event before it, and may be lost.
 */
import { z } from 'zod'
import { type AgentEvent, agentEvent, isDelta } from './agent.ts'

/** `at` is milliseconds since the epoch, display only. */
export const numberedAgentEvent = z.object({ n: z.int().nonnegative(), at: z.number(), event: agentEvent })
export type NumberedAgentEvent = z.infer<typeof numberedAgentEvent>

/** Whether nothing of it is stored: it is shown at once, and may be lost. */
export const isShownOnly = (events: readonly { event: AgentEvent }[]): boolean =>
  events.every(({ event }) => isDelta(event))

/** The number of the event that comes behind the one numbered `last`. */
export const nextNumber = (last: number, event: AgentEvent): number => (isDelta(event) ? last : last + 1)

/** `gap`: the first number that is missing, and the one that came instead. */
export type FreshEvents =
  | { events: NumberedAgentEvent[]; received: number }
  | { gap: { expected: number; got: number } }

/** What of a batch comes behind the events up to `received`; with a gap none of it. */
export const freshEvents = (received: number, batch: readonly NumberedAgentEvent[]): FreshEvents => {
  const events: NumberedAgentEvent[] = []
  let last = received
  for (const each of batch) {
    const { n, event } = each
    // What is stored counts from 1: a 0 is none that is known.
    if (n < received || (n === received && n > 0 && !isDelta(event))) continue
    if (n !== nextNumber(last, event)) return { gap: { expected: last + 1, got: n } }
    last = n
    events.push(each)
  }
  return { events, received: last }
}
