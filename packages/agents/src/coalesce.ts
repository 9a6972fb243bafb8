/** Joins the small pieces of a fast stream, so that a long answer is hundreds of events and not tens of thousands. */
import { setTimeout } from 'node:timers/promises'
import { type AgentEvent, type Delta, isDelta } from '@tutti/contracts'

/** One delta out of two that follow each other, or undefined when they do not belong together. */
export const joined = (first: AgentEvent, second: AgentEvent): Delta | undefined =>
  isDelta(first) && first.type === second.type && first.parent_tool_use_id === second.parent_tool_use_id
    ? { ...first, text: first.text + second.text }
    : undefined

export interface CoalesceOptions {
  /** At most one delta in this time, unless another event comes between. */
  everyMs?: number
  /** The passing of time; a test passes its own. */
  after?: (ms: number) => Promise<void>
}

/**
 * The first delta passes at once, so that the first word is not late; those of the next 30 ms are joined into one.
 * Any other event passes at once and in its place: what was said before it comes before it.
 */
export async function* coalesceDeltas(
  source: AsyncIterable<AgentEvent>,
  { everyMs = 30, after = (ms) => setTimeout(ms, undefined) }: CoalesceOptions = {},
): AsyncGenerator<AgentEvent> {
  const iterator = source[Symbol.asyncIterator]()
  let arriving = iterator.next()
  let held: Delta | undefined
  let due: Promise<'due'> | undefined
  try {
    for (;;) {
      const arrived = due === undefined ? await arriving : await Promise.race([arriving, due])
      if (arrived === 'due') {
        due = undefined
        if (held === undefined) continue
        yield held
        held = undefined
        due = after(everyMs).then(() => 'due' as const)
        continue
      }
      if (arrived.done === true) break
      arriving = iterator.next()
      const event = arrived.value
      const longer = held === undefined ? undefined : joined(held, event)
      if (longer !== undefined) {
        held = longer
        continue
      }
      if (held !== undefined) yield held
      held = undefined
      if (!isDelta(event)) yield event
      else if (due !== undefined) held = event
      else {
        yield event
        due = after(everyMs).then(() => 'due' as const)
      }
    }
    if (held !== undefined) yield held
  } finally {
    await iterator.return?.()
  }
}
