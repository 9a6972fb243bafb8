/** Which runs the manager asks for, and when: against a clock that the test moves. */
import { defaultPullSchedule, type PullRule, type PullSchedule } from '@tutti/config'
import type { ClaimedRun, ClaimRun } from '@tutti/contracts'
import { silentLogger } from '@tutti/telemetry'
import { afterEach, expect, it, vi } from 'vitest'
import type { BackendClient } from '../src/backend/client.ts'
import { BackendError } from '../src/backend/error.ts'
import { type ClaimLoop, startClaimLoop } from '../src/claim/loop.ts'

const at = (text: string): number => Date.parse(text)

interface Asked {
  request: ClaimRun
  /** How long its answer may be overdue. */
  overdueMs: number | undefined
  answer(run: ClaimedRun | null): void
  fail(): void
}

const loops: ClaimLoop[] = []
afterEach(async () => {
  for (const loop of loops.splice(0)) loop.stop()
})

const start = (now: string, options: { schedule?: PullSchedule; room?: number; pauseMs?: number } = {}) => {
  const asked: Asked[] = []
  const claim: BackendClient['claim'] = (request, signal, overdueMs) =>
    new Promise((resolve, reject) => {
      const fail = (): void => reject(new BackendError('unreachable', 'away'))
      asked.push({ request, overdueMs, answer: resolve, fail })
      signal.addEventListener('abort', fail)
    })
  const working: PromiseWithResolvers<void>[] = []
  let clock = at(now)
  const loop = startClaimLoop(
    { backend: { claim } as BackendClient, log: silentLogger },
    {
      ...{ workerId: 'm', bootId: 'b', leaseSeconds: 60, waitSeconds: 25, pauseMs: options.pauseMs ?? 60_000 },
      ...{
        room: options.room ?? 2,
        schedule: options.schedule ?? defaultPullSchedule((options.pauseMs ?? 60_000) / 1000),
        now: () => clock,
      },
      work: () => {
        const work = Promise.withResolvers<void>()
        working.push(work)
        return work.promise
      },
    },
  )
  loops.push(loop)
  return {
    loop,
    asked,
    working,
    /** The nth request. */
    nth: (n: number) => vi.waitFor(() => asked[n - 1] ?? expect.fail(`no request ${n} yet`)),
    moveTo: (instant: string) => {
      clock = at(instant)
    },
  }
}
const run = { run_id: 'r', session_id: 's' } as ClaimedRun
const modesOf = ({ request }: Asked) => request.schedule_modes

it('a-request-ends-with-the-window-that-it-asks-for', async () => {
  const { nth, moveTo } = start('2026-06-01T07:59:50Z')
  const night = await nth(1)
  expect(modesOf(night)).toEqual(['immediate', 'scheduled', 'nightly'])
  expect(night.request.wait_seconds).toBe(10)
  moveTo('2026-06-01T08:00:00Z')
  night.answer(null)
  const day = await nth(2)
  expect(modesOf(day)).toEqual(['immediate', 'scheduled'])
  expect(day.request.wait_seconds).toBe(25)
})

it('a-request-ends-when-a-window-opens-so-that-the-next-one-asks-for-it', async () => {
  const { nth, moveTo } = start('2026-06-01T01:59:57Z')
  const day = await nth(1)
  expect([modesOf(day), day.request.wait_seconds]).toEqual([['immediate', 'scheduled'], 3])
  moveTo('2026-06-01T02:00:00Z')
  day.answer(null)
  expect(modesOf(await nth(2))).toContain('nightly')
})

it('what-is-pulled-is-taken-once-whatever-its-window-says', async () => {
  const { loop, nth } = start('2026-06-01T12:00:00Z', { room: 5 })
  const open = await nth(1)
  loop.pull(['nightly', 'immediate'])
  open.answer(null)
  const pulled = await nth(2)
  expect([modesOf(pulled), pulled.request.wait_seconds]).toEqual([['immediate', 'scheduled', 'nightly'], 0])
  // One was there: perhaps there is another.
  pulled.answer(run)
  const again = await nth(3)
  expect(modesOf(again)).toContain('nightly')
  again.answer(null)
  const usual = await nth(4)
  expect([modesOf(usual), usual.request.wait_seconds]).toEqual([['immediate', 'scheduled'], 25])
})

it('a-pull-ends-the-pause-after-a-failure', async () => {
  const { loop, nth } = start('2026-06-01T12:00:00Z')
  ;(await nth(1)).fail()
  ;(await nth(2)).fail()
  await vi.waitFor(() => expect(loop.fault()).toBe('away'))
  loop.pull(['immediate'])
  ;(await nth(3)).answer(run)
  await vi.waitFor(() => expect(loop.fault()).toBeNull())
})

it('nothing-is-asked-for-while-every-window-is-closed-but-what-is-pulled', async () => {
  const schedule = { enabled: true, rules: defaultPullSchedule(2).rules.filter((rule) => rule.kind === 'window') }
  const { loop, nth, asked } = start('2026-06-01T12:00:00Z', { schedule })
  loop.pull(['nightly'])
  expect(modesOf(await nth(1))).toEqual(['nightly'])
  expect(asked).toHaveLength(1)
})

it('no-more-runs-are-at-work-than-there-is-room-for', async () => {
  const { loop, nth, asked, working } = start('2026-06-01T12:00:00Z', { room: 2 })
  ;(await nth(1)).answer(run)
  ;(await nth(2)).answer(run)
  await vi.waitFor(() => expect(working).toHaveLength(2))
  loop.pull(['nightly'])
  expect([loop.running(), asked.length]).toEqual([2, 2])
  working[0]?.resolve()
  await nth(3)
  expect(loop.running()).toBe(1)
})

it('after requests that failed waits longer each time, and at most as the open rules say', async () => {
  const rule = (id: string, everySeconds: number): PullRule => ({
    ...{ kind: 'interval' as const, id, enabled: true, modes: [id] },
    ...{ everySeconds, startImmediately: true },
  })
  const soon = start('2026-06-01T12:00:00Z', {
    ...{ pauseMs: 3_600_000, schedule: { enabled: true, rules: [rule('slow', 3600), rule('quick', 0.001)] } },
  })
  ;(await soon.nth(1)).fail()
  ;(await soon.nth(2)).fail()
  expect(modesOf(await soon.nth(3))).toEqual(['slow', 'quick'])

  const late = start('2026-06-01T12:00:00Z', {
    ...{ pauseMs: 1, schedule: { enabled: true, rules: [rule('slow', 3600)] } },
  })
  const began = performance.now()
  // Soon at first: another backend may answer. Then after 50 ms, 100, 200 and 400 at least.
  for (let n = 1; n < 5; n += 1) (await late.nth(n)).fail()
  await late.nth(5)
  expect(performance.now() - began).toBeGreaterThan(740)
})

it('says what it holds after a request that had no answer, and only then', async () => {
  const { nth } = start('2026-06-01T12:00:00Z', { room: 5, pauseMs: 1 })
  const first = await nth(1)
  first.answer(run)
  const second = await nth(2)
  second.fail()
  const third = await nth(3)
  third.answer(null)
  expect([first, second, third, await nth(4)].map(({ request }) => request.holding)).toEqual([
    ...[undefined, undefined, [run.run_id], undefined],
  ])
})

it('a-silent-backend-is-given-up-soon-and-one-that-is-only-slow-is-heard-in-the-end', async () => {
  const { nth } = start('2026-06-01T12:00:00Z', { pauseMs: 1 })
  ;(await nth(1)).fail()
  ;(await nth(2)).fail()
  ;(await nth(3)).answer(null)
  expect(await Promise.all([1, 2, 3, 4].map(async (n) => (await nth(n)).overdueMs))).toEqual([
    5_000, 10_000, 20_000, 5_000,
  ])
})
