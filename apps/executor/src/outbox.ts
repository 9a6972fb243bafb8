/**
 * What a turn has said and the relay has not yet got. Numbers events, sends them in batches with one batch
 * on its way at a time, and holds back the turn when too much waits: a relay that is away for long must not fill memory.
 */
import { joined } from '@tutti/agents'
import { type AgentEvent, type EventBatch, type NumberedAgentEvent, nextNumber } from '@tutti/contracts'
import type { Refused, Sent } from './relay.ts'

export interface OutboxOptions {
  run_id: string
  attempt: number
  send(batch: EventBatch): Promise<Sent>
  /** Milliseconds since the epoch. */
  now(): number
  /** Called before a batch is sent again because its receipt made no progress. */
  pause(attempt: number): Promise<void>
}

export interface Outbox {
  /** Takes an event; resolves when there is room for the next one. */
  put(event: AgentEvent): Promise<void>
  /** Resolves when everything has been received, or when it will not be: see `lost`. */
  flush(): Promise<void>
  /** Aborts when the relay will take no more of this turn. */
  readonly lost: AbortSignal
  /** Why it will take no more. */
  reason(): 'replaced' | Refused | undefined
}

/** The contract's limit. */
const largestBatch = 500
/** Characters in a batch, roughly: what a relay takes in one body. One larger event still goes, alone. */
const heaviestBatch = 1_000_000
/** What may wait before the turn is held back. */
const mostWaiting = 1_000
const heaviestWaiting = 8_000_000
/** A joined piece of text stays small enough to show at once. */
const longestDelta = 16_000

interface Waiting {
  at: number
  event: AgentEvent
  weight: number
}

const weigh = (event: AgentEvent): number => JSON.stringify(event).length

export const createOutbox = ({ run_id, attempt, send, now, pause }: OutboxOptions): Outbox => {
  let waiting: Waiting[] = []
  let weight = 0
  let lastNumber = 0
  let sending: Promise<void> | undefined
  let changed = Promise.withResolvers<void>()
  let why: 'replaced' | Refused | undefined
  const lost = new AbortController()

  const announce = (): void => {
    changed.resolve()
    changed = Promise.withResolvers<void>()
  }

  const full = (): boolean => waiting.length >= mostWaiting || weight >= heaviestWaiting

  const nextBatch = (): NumberedAgentEvent[] => {
    let count = 0
    let heavy = 0
    for (const item of waiting.slice(0, largestBatch)) {
      if (count > 0 && heavy + item.weight > heaviestBatch) break
      heavy += item.weight
      count += 1
    }
    const taken = waiting.slice(0, count)
    waiting = waiting.slice(count)
    weight -= heavy
    // Numbered only now: until an event is sent, what follows may still be joined to it.
    return taken.map(({ at, event }) => {
      lastNumber = nextNumber(lastNumber, event)
      return { n: lastNumber, at, event }
    })
  }

  const give = (reason: 'replaced' | Refused): void => {
    why = reason
    waiting = []
    weight = 0
    lost.abort()
  }

  const deliver = async (): Promise<void> => {
    while (waiting.length > 0) {
      let batch = nextBatch()
      announce()
      for (let tries = 1; batch.length > 0; tries += 1) {
        const sent = await send({ run_id, attempt, events: batch })
        if (sent.kind !== 'received') {
          give(sent.kind === 'replaced' ? 'replaced' : sent)
          return
        }
        const left = batch.filter(({ n }) => n > sent.upTo)
        if (left.length === batch.length) await pause(tries)
        else tries = 0
        batch = left
      }
    }
  }

  const wake = (): void => {
    sending ??= deliver().finally(() => {
      sending = undefined
      announce()
      if (waiting.length > 0) wake()
    })
  }

  const add = (event: AgentEvent): void => {
    const last = waiting.at(-1)
    const longer = last === undefined || last.weight > longestDelta ? undefined : joined(last.event, event)
    if (last !== undefined && longer !== undefined) {
      const heavier = weigh(longer)
      weight += heavier - last.weight
      waiting[waiting.length - 1] = { at: last.at, event: longer, weight: heavier }
      return
    }
    const item = { at: now(), event, weight: weigh(event) }
    weight += item.weight
    waiting.push(item)
  }

  return {
    put: async (event) => {
      if (lost.signal.aborted) return
      add(event)
      wake()
      while (full() && !lost.signal.aborted) await changed.promise
    },
    flush: async () => {
      while (sending !== undefined || waiting.length > 0) await changed.promise
    },
    lost: lost.signal,
    reason: () => why,
  }
}
