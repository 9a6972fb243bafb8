import type { AgentEvent, EventBatch, NumberedAgentEvent } from '@tutti/contracts'
import { eventBatch, freshEvents } from '@tutti/contracts'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createOutbox, type OutboxOptions } from '../src/outbox.ts'
import type { Sent } from '../src/relay.ts'

const run_id = '00000000-0000-4000-8000-000000000001'
const text = (value: string): AgentEvent => ({ type: 'text_delta', text: value, parent_tool_use_id: null })
const call = (id: string, size = 0): AgentEvent => ({
  type: 'tool_call',
  tool_use_id: id,
  name: 'Bash',
  input: { command: 'x'.repeat(size) },
  parent_tool_use_id: null,
})

const outbox = (send: OutboxOptions['send']) =>
  createOutbox({ run_id, attempt: 1, send, now: () => 7, pause: () => Promise.resolve() })

/** A receiver as the relay has one: keeps what continues its log, skips what it has, takes only so much of a batch. */
const receiver = (takes: (batch: EventBatch) => number = (batch) => batch.events.length) => {
  const held: NumberedAgentEvent[] = []
  let upTo = 0
  const batches: EventBatch[] = []
  const send = async (batch: EventBatch): Promise<Sent> => {
    batches.push(eventBatch.parse(batch))
    const fresh = freshEvents(upTo, batch.events.slice(0, takes(batch)))
    if ('gap' in fresh) throw new Error(`event ${fresh.gap.expected} is missing`)
    held.push(...fresh.events)
    upTo = fresh.received
    return { kind: 'received', upTo }
  }
  return { held, batches, send }
}

it('numbers what is stored from 1 without gaps, and joins text that has to wait anyway', async () => {
  const gate = Promise.withResolvers<void>()
  const { held, batches, send } = receiver()
  const box = outbox(async (batch) => {
    await gate.promise
    return send(batch)
  })
  for (const event of [text('a'), text('b'), text('c'), call('t1'), text('d')]) await box.put(event)
  gate.resolve()
  await box.flush()
  expect(held).toEqual([
    { n: 0, at: 7, event: text('a') },
    { n: 0, at: 7, event: text('bc') },
    { n: 1, at: 7, event: call('t1') },
    { n: 1, at: 7, event: text('d') },
  ])
  expect(batches).toHaveLength(2)
})

it('loses, repeats and reorders nothing, however little of a batch the relay takes', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ minLength: 1 }), { maxLength: 60 }),
      fc.infiniteStream(fc.nat(3)),
      async (ids, appetite) => {
        const { held, send } = receiver((batch) => Math.min(batch.events.length, appetite.next().value ?? 1))
        const box = outbox(send)
        for (const id of ids) await box.put(call(id))
        await box.flush()
        expect(held.map(({ n }) => n)).toEqual(ids.map((_id, index) => index + 1))
        expect(held.map(({ event }) => event.type === 'tool_call' && event.tool_use_id)).toEqual(ids)
      },
    ),
  )
})

it('has one batch on its way at a time, none larger than the contract allows', async () => {
  let inFlight = 0
  let most = 0
  const { held, batches, send } = receiver()
  const box = outbox(async (batch) => {
    inFlight += 1
    most = Math.max(most, inFlight)
    await new Promise(setImmediate)
    inFlight -= 1
    return send(batch)
  })
  await Promise.all(Array.from({ length: 900 }, (_, index) => box.put(call(String(index)))))
  await box.flush()
  expect(most).toBe(1)
  expect(held).toHaveLength(900)
  expect(Math.max(...batches.map(({ events }) => events.length))).toBeLessThanOrEqual(500)
})

it('splits heavy events over batches, and still sends one that is heavier than a batch', async () => {
  const { held, batches, send } = receiver()
  const box = outbox(send)
  for (const [id, size] of [
    ['a', 10],
    ['b', 700_000],
    ['c', 700_000],
    ['d', 3_000_000],
  ] as const) {
    await box.put(call(id, size))
  }
  await box.flush()
  expect(held).toHaveLength(4)
  for (const { events } of batches) expect(events.length === 1 || JSON.stringify(events).length < 1_100_000).toBe(true)
})

it('holds a turn back while the relay is away, and lets it go on after', async () => {
  const gate = Promise.withResolvers<void>()
  const { held, send } = receiver()
  const box = outbox(async (batch) => {
    await gate.promise
    return send(batch)
  })
  let put = 0
  const producing = (async () => {
    for (let index = 0; index < 3_000; index += 1) {
      await box.put(call(String(index)))
      put += 1
    }
  })()
  for (let turns = 0; turns < 20; turns += 1) await new Promise(setImmediate)
  expect(put).toBeLessThan(1_100)
  gate.resolve()
  await producing
  await box.flush()
  expect(held).toHaveLength(3_000)
})

it.each([
  [{ kind: 'replaced' }, 'replaced'],
  [
    { kind: 'refused', status: 400 },
    { kind: 'refused', status: 400 },
  ],
] as const)('gives up at once when the relay says %o, and nobody waits for it', async (answer, reason) => {
  const box = outbox(async () => answer)
  await box.put(text('a'))
  await box.flush()
  expect(box.lost.aborted).toBe(true)
  expect(box.reason()).toEqual(reason)
  for (let index = 0; index < 5_000; index += 1) await box.put(call(String(index)))
  await box.flush()
})
