/** What many runs of one manager say at once. */
import type { ClaimedRun } from '@tutti/contracts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BackendClient, createBackendClient } from '../src/index.ts'
import { createFakeBackend, type FakeBackend, type FakeRun } from './support/fake-backend.ts'

let backend: FakeBackend
let client: BackendClient

beforeAll(async () => {
  backend = await createFakeBackend()
  client = createBackendClient({ baseUrl: backend.url, internalToken: backend.token, leaseSeconds: 60 })
})
afterAll(() => backend.close())

const done = { is_error: false, duration_ms: 1 }

const batchOf = ({ attempt, lease_token }: ClaimedRun, n: number, text = 'word') => ({
  ...{ worker_id: 'manager', lease_token, attempt },
  events: [{ n, at: 0, event: { type: 'tool_result' as const, tool_use_id: 't', output: text, ...done } }],
})

const send = ({ claimed }: FakeRun, n: number, text?: string) =>
  client.events(claimed.run_id, batchOf(claimed, n, text))

test('what-gathers-while-a-request-is-under-way-shares-the-next-one', async () => {
  const runs = Array.from({ length: 40 }, () => backend.offer())
  const before = backend.count('events')
  for (let n = 1; n <= 5; n += 1)
    expect(await Promise.all(runs.map((run) => send(run, n)))).toEqual(runs.map(() => ({ received: n })))
  expect(backend.count('events') - before).toBeLessThan(20)
})

test('requests-keep-their-distance-however-fast-they-are-answered', async () => {
  const run = backend.offer()
  await send(run, 1)
  const [before, began] = [backend.count('events'), performance.now()]
  for (let n = 2; n <= 40; n += 1) await send(run, n)
  expect(backend.count('events') - before).toBe(39)
  // A timer may end a fraction of a millisecond early, by another clock.
  expect(performance.now() - began).toBeGreaterThan(39 * 3.9)
})

test('a-run-that-is-lost-among-many-is-told-so-and-only-that-one', async () => {
  const runs = Array.from({ length: 4 }, () => backend.offer())
  const [, lost] = runs
  if (lost) lost.lost = true
  const answers = await Promise.allSettled(runs.map((run) => send(run, 1)))
  expect(answers.map((answer) => (answer.status === 'rejected' ? answer.reason.kind : answer.value.received))).toEqual([
    ...[1, 'lease_lost', 1, 1],
  ])
})

test('a-batch-for-which-all-of-them-are-refused-takes-no-other-with-it', async () => {
  const runs = Array.from({ length: 4 }, () => backend.offer())
  // A number that leaves a gap: this backend refuses the whole request for it.
  const answers = await Promise.allSettled(runs.map((run, at) => send(run, at === 2 ? 9 : 1)))
  expect(answers.map((answer) => (answer.status === 'rejected' ? answer.reason.kind : answer.value.received))).toEqual([
    ...[1, 1, 'refused', 1],
  ])
})

test('a-backend-that-is-away-is-told-to-all-who-wait', async () => {
  const runs = Array.from({ length: 3 }, () => backend.offer())
  backend.goAway()
  const answers = await Promise.allSettled(runs.map((run) => send(run, 1)))
  backend.comeBack()
  expect(answers.map((answer) => answer.status === 'rejected' && answer.reason.kind)).toEqual(
    runs.map(() => 'unreachable'),
  )
})
