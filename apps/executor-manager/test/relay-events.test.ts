import type { AgentEvent, NumberedAgentEvent } from '@tutti/contracts'
import { afterEach, expect, it, vi } from 'vitest'
import { BackendError } from '../src/backend/error.ts'
import { openEvents } from './support/event-stream.ts'
import { createRelayRig, type RelayRig } from './support/relay.ts'

let rig: RelayRig
afterEach(() => rig.close())

const said = (n: number): NumberedAgentEvent => ({
  n,
  at: n,
  event: {
    ...{ type: 'message', role: 'assistant', parent_tool_use_id: null },
    blocks: [{ type: 'text', text: `${n}` }],
  },
})
const delta = (after: number, text: string): NumberedAgentEvent => ({
  n: after,
  at: after,
  event: { type: 'text_delta', text, parent_tool_use_id: null },
})
const failure: AgentEvent = { type: 'error', code: 'max_turns', message: 'enough', retryable: false }
const batch = (events: NumberedAgentEvent[], more: object = {}) => ({
  ...{ run_id: rig.turn.run_id, attempt: 2 },
  ...{ events, ...more },
})
const assign = () => rig.relay.assign(rig.assignment)

it('relay-refuses-wrong-token', async () => {
  rig = await createRelayRig()
  assign()
  for (const token of [null, '', 'wrong', 'x'.repeat(36)]) {
    for (const path of ['/v1/turns/next', '/v1/events', '/model/v1/messages', '/'])
      expect(await rig.ask(path, { token, body: {} })).toMatchObject({ status: 401 })
    await expect(openEvents({ ...rig, token })).rejects.toThrow('401')
  }
  const inOtherWays = { 'x-api-key': 'wrong', authorization: 'Basic eDp5' }
  expect((await rig.ask('/v1/turns/next', { headers: inOtherWays, token: null })).status).toBe(401)
  expect(rig.stored).toEqual([])
})

it('an-answer-that-got-lost-does-not-lose-the-turn', async () => {
  rig = await createRelayRig()
  expect((await rig.ask('/v1/turns/next')).status).toBe(204)
  const waiting = rig.ask('/v1/turns/next')
  assign()
  const first = await waiting
  // Unless the poll had just ended, it got the turn; asking again gets it again.
  if (first.status === 200) expect(JSON.parse(first.body)).toEqual(rig.turn)
  expect(JSON.parse((await rig.ask('/v1/turns/next')).body)).toEqual(rig.turn)
  rig.relay.withdraw()
  expect((await rig.ask('/v1/turns/next')).status).toBe(204)
})

it('a-receipt-comes-only-after-the-backend-has-stored-the-events', async () => {
  const stored = Promise.withResolvers<void>()
  const asked = Promise.withResolvers<void>()
  rig = await createRelayRig({
    events: async (events) => {
      asked.resolve()
      await stored.promise
      return { received: events.at(-1)?.n ?? 0 }
    },
  })
  assign()
  let answered = false
  const receipt = rig.tell(batch([said(1)])).then((answer) => {
    answered = true
    return answer
  })
  await asked.promise
  expect(answered).toBe(false)
  stored.resolve()
  expect(await receipt).toEqual({ received: 1 })
})

it('events-sent-twice-or-side-by-side-are-stored-once-and-in-order', async () => {
  rig = await createRelayRig()
  assign()
  const first = batch([said(1), said(2)])
  const answers = [await rig.tell(batch([said(1)]))]
  answers.push(...(await Promise.all([rig.tell(first), rig.tell(first)])))
  answers.push(await rig.tell(batch([said(2), said(3)])))
  expect(answers).toEqual([{ received: 1 }, { received: 2 }, { received: 2 }, { received: 3 }])
  expect(rig.stored.map(({ n }) => n)).toEqual([1, 2, 3])
})

it('a-backend-that-is-away-is-waited-for', async () => {
  let calls = 0
  rig = await createRelayRig({
    events: async () => {
      calls += 1
      if (calls < 3) throw new BackendError('unreachable', 'restarting')
      return { received: 1 }
    },
  })
  assign()
  expect(await rig.tell(batch([said(1)]))).toEqual({ received: 1 })
  expect(calls).toBe(3)
})

it('what-is-only-shown-is-not-waited-for-and-is-shown-in-its-place', async () => {
  let away = true
  const shown: NumberedAgentEvent[] = []
  rig = await createRelayRig({
    events: async (events) => {
      if (away) throw new BackendError('unreachable', 'restarting')
      shown.push(...events)
      return { received: events.at(-1)?.n ?? 0 }
    },
  })
  assign()
  expect(await rig.tell(batch([delta(0, 'lost')]))).toEqual({ received: 0 })
  away = false
  const all = [delta(0, 'a'), said(1), delta(1, 'b'), said(2), delta(2, 'c')]
  expect(await rig.tell(batch(all))).toEqual({ received: 2 })
  expect(await rig.tell(batch([said(1), delta(1, 'b')]))).toEqual({ received: 2 })
  expect(shown).toEqual(all)
  // Its place is behind an event that nobody has seen.
  expect(await rig.tell(batch([delta(3, 'd')]))).toMatchObject({ status: 400 })
})

it('a-batch-of-another-run-or-attempt-or-after-the-turn-is-answered-409', async () => {
  rig = await createRelayRig()
  expect(await rig.tell(batch([said(1)]))).toMatchObject({ status: 409 })
  assign()
  expect(await rig.tell(batch([said(1)], { attempt: 1 }))).toMatchObject({ status: 409 })
  expect(await rig.tell(batch([said(1)], { run_id: rig.turn.session_id }))).toMatchObject({ status: 409 })
  rig.lease.lose('test')
  expect(await rig.tell(batch([said(1)]))).toMatchObject({ status: 409 })
  expect(rig.stored).toEqual([])
})

it('a-lease-that-the-backend-says-is-lost-is-lost', async () => {
  rig = await createRelayRig({
    events: async () => {
      throw new BackendError('lease_lost', 'somebody else has it')
    },
  })
  assign()
  expect(await rig.tell(batch([said(1)]))).toMatchObject({ status: 409 })
  expect(rig.lease.lost.aborted).toBe(true)
})

it('what-is-no-batch-or-leaves-out-events-or-is-too-large-is-refused', async () => {
  rig = await createRelayRig({ settings: { eventBodyBytes: 2_000 } })
  assign()
  for (const line of ['', 'no json', [], { run_id: 'x' }, batch([])])
    expect(await rig.tell(line)).toMatchObject({ status: 400 })
  expect(await rig.tell(batch([said(2)]))).toMatchObject({ status: 400 })
  const forged = { n: 1, at: 1, event: { ...failure, type: 'forged' } as never }
  expect(await rig.tell(batch([forged]))).toMatchObject({ status: 400 })
  expect(await rig.tell(' '.repeat(3_000))).toMatchObject({ status: 413 })
  expect((await rig.ask('/v1/else')).status).toBe(404)
  expect(rig.stored).toEqual([])
})

it('the-turns-end-is-known-once-it-is-stored', async () => {
  rig = await createRelayRig()
  assign()
  await rig.tell(batch([said(1), { n: 2, at: 2, event: failure }]))
  expect(await rig.intake.final).toEqual(failure)
})

it('lines-are-found-wherever-the-pieces-end-in-which-they-come', async () => {
  rig = await createRelayRig()
  assign()
  const words = (n: number) => batch([{ ...said(n), event: { ...failure, message: `é€😀 ${n}` } }])
  const { socket, say } = await openEvents(rig)
  const bytes = Buffer.from(`${JSON.stringify(words(1))}\n${JSON.stringify(words(2))}\n`)
  for (const byte of bytes) {
    socket.write(Buffer.of(byte))
    await new Promise(setImmediate)
  }
  expect(await Promise.all([say(words(3)), say(words(4)), say(words(5))])).toHaveLength(3)
  await vi.waitUntil(() => rig.stored.length === 5)
  expect(rig.stored.map(({ event }) => event.type === 'error' && event.message)).toEqual(
    [1, 2, 3, 4, 5].map((n) => `é€😀 ${n}`),
  )
})

it('an-executor-that-comes-back-takes-the-place-of-the-connection-it-gave-up', async () => {
  rig = await createRelayRig()
  assign()
  const first = await openEvents(rig)
  expect(await first.say(batch([said(1)]))).toEqual({ received: 1 })
  const second = await openEvents(rig)
  await first.ended
  expect(await second.say(batch([said(1), said(2)]))).toEqual({ received: 2 })
  await rig.relay.close()
  await second.ended
})

it('events-that-could-not-be-taken-get-no-answer-so-that-they-come-again', async () => {
  let failing = true
  rig = await createRelayRig({
    events: async (events) => {
      if (failing) throw new Error('a fault of ours')
      return { received: events.length }
    },
  })
  assign()
  await expect(rig.tell(batch([said(1)]))).rejects.toThrow('the relay hung up')
  failing = false
  expect(await rig.tell(batch([said(1)]))).toEqual({ received: 1 })
})

it('while-a-batch-is-on-its-way-no-more-is-read-than-fits-into-the-connection', async () => {
  const stored = Promise.withResolvers<void>()
  const taken: number[] = []
  rig = await createRelayRig({
    events: async (events) => {
      taken.push(events.length)
      await stored.promise
      return { received: events.at(-1)?.n ?? 0 }
    },
  })
  assign()
  const { socket, say } = await openEvents(rig)
  const first = say(batch([said(1)]))
  await vi.waitUntil(() => taken.length === 1)
  const last = Promise.all(Array.from({ length: 5_000 }, () => say(batch([said(1)]))))
  // Some kilobytes lie in the kernel and in the relay; the rest waits with whoever sends it.
  for (let turns = 0; turns < 100; turns += 1) await new Promise(setImmediate)
  expect(socket.writableLength).toBeGreaterThan(500_000)
  stored.resolve()
  expect(await first).toEqual({ received: 1 })
  expect(new Set((await last).map(({ received }) => received))).toEqual(new Set([1]))
  expect(taken).toEqual([1])
})
