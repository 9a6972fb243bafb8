/** What a sandbox may ask of the memory, and what it is told. */
import { randomUUID } from 'node:crypto'
import type { MemoryCall } from '@tutti/contracts'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { BackendError } from '../src/backend/error.ts'
import { createRelayRig, type RelayRig } from './support/relay.ts'

let rig: RelayRig
beforeEach(async () => {
  rig = await createRelayRig()
})
afterEach(() => rig.close())

const ask = (call: unknown, run = rig.turn.run_id) =>
  rig.ask(`/v1/memory?run_id=${run}`, { method: 'POST', body: call })
const list = { op: 'list', limit: 5, offset: 0 }

test('a-call-of-the-turn-reaches-the-backend-as-it-is-and-nothing-else-does', async () => {
  const asked: MemoryCall[] = []
  const memory = async (call: MemoryCall) => {
    asked.push(call)
    return { memories: [] }
  }
  expect((await ask(list)).status).toBe(409)
  rig.relay.assign(rig.assignment)
  expect((await ask(list)).status).toBe(403)
  rig.relay.assign({ ...rig.assignment, memory })
  expect((await ask(list, randomUUID())).status).toBe(409)
  expect(await ask({ ...list, user_id: 'stranger' })).toMatchObject({ status: 400 })
  expect(await ask({ op: 'reset' })).toMatchObject({ status: 400 })
  expect(await ask({ op: 'add', text: 'x'.repeat(70_000) })).toMatchObject({ status: 413 })
  expect(
    (await rig.ask(`/v1/memory?run_id=${rig.turn.run_id}`, { method: 'POST', body: list, token: 'another' })).status,
  ).toBe(401)
  expect(asked).toEqual([])
  const answer = await ask(list)
  expect([answer.status, JSON.parse(answer.body)]).toEqual([200, { memories: [] }])
  expect(asked).toEqual([list])
  rig.relay.withdraw()
  expect((await ask(list)).status).toBe(409)
})

test.each([
  [new BackendError('refused', 'MEMORY_FULL: enough', { status: 409 }), 409, 'MEMORY_FULL: enough'],
  [new BackendError('lease_lost', 'the run is held by another', { status: 409 }), 409, 'held by another'],
  [new BackendError('unreachable', 'the backend does not answer'), 503, 'does not answer'],
  [new Error('aborted'), 503, 'can’t be reached'],
])('a refusal is told to the agent: %s', async (error, status, text) => {
  rig.relay.assign({
    ...rig.assignment,
    memory: async () => {
      throw error
    },
  })
  const answer = await ask(list)
  expect(answer.status).toBe(status)
  expect(JSON.parse(answer.body).error).toContain(text)
})
