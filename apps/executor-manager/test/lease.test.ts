import { once } from 'node:events'
import type { TurnCommand } from '@tutti/contracts'
import { silentLogger } from '@tutti/telemetry'
import { expect, it } from 'vitest'
import { backoffMs } from '../src/backend/backoff.ts'
import type { BackendClient } from '../src/backend/client.ts'
import { BackendError, kindOf } from '../src/backend/error.ts'
import { keepLease, type Lease } from '../src/claim/lease.ts'
import { createSessionGate } from '../src/claim/sessions.ts'

type Renew = BackendClient['renew']

const unused = (): never => {
  throw new Error('not part of this test')
}

const keep = (renew: Renew, { leaseSeconds = 30, renewWaitMs = 0, renewEveryMs = 1 } = {}): Lease => {
  const backend: BackendClient = {
    claim: unused,
    start: unused,
    events: unused,
    finish: unused,
    account: unused,
    memory: unused,
    renew,
  }
  const claimed = { run_id: 'run', lease_token: 'lease' }
  return keepLease({ backend, log: silentLogger }, { claimed, workerId: 'w', leaseSeconds, renewWaitMs, renewEveryMs })
}

it('a-lease-that-cannot-be-renewed-is-lost-when-it-has-run-out-and-not-before', async () => {
  let calls = 0
  const lease = keep(
    async () => {
      calls += 1
      throw new BackendError('unreachable', 'away')
    },
    { leaseSeconds: 0.3 },
  )
  await once(lease.lost, 'abort')
  expect(calls).toBeGreaterThan(1)
  expect(lease.over.aborted).toBe(true)
})

it('a-backend-that-comes-back-in-time-costs-nothing', async () => {
  const renewed = Promise.withResolvers<void>()
  let calls = 0
  const lease = keep(async () => {
    calls += 1
    if (calls < 3) throw new BackendError(calls === 1 ? 'unreachable' : 'refused', 'restarting')
    renewed.resolve()
    return { held: true, cancel: false, commands: [] }
  })
  await renewed.promise
  expect([lease.lost.aborted, lease.cancelled.aborted]).toEqual([false, false])
  lease.end()
})

it('the-pause-between-requests-that-fail-grows-and-stays-short-however-long-the-backend-is-away', () => {
  expect([1, 2, 3, 4, 100].map((tries) => backoffMs(tries, 1))).toEqual([100, 200, 400, 500, 500])
  expect([1, 2, 3, 4, 100].map((tries) => backoffMs(tries, 0))).toEqual([50, 100, 200, 250, 250])
})

it('a-renewal-after-one-that-failed-is-answered-at-once-and-waits-for-no-news', { timeout: 10_000 }, async () => {
  const waits: number[] = []
  const enough = Promise.withResolvers<void>()
  const lease = keep(
    async (_run, { wait_seconds }) => {
      waits.push(wait_seconds)
      if (waits.length === 1 || waits.length === 2) throw new BackendError('unreachable', 'restarting')
      if (waits.length === 4) enough.resolve()
      return { held: true, cancel: false, commands: [] }
    },
    { leaseSeconds: 300, renewWaitMs: 9_000, renewEveryMs: 100_000 },
  )
  await enough.promise
  lease.end()
  // What the failures have cost is no longer there to be waited away; and then news are listened for again without a pause.
  expect(waits).toEqual([9, 0, 0, 9])
})

it('a-lease-that-is-not-held-is-lost-at-once', async () => {
  for (const renew of [
    async () => ({ held: false, cancel: true, commands: [] }),
    async () => {
      throw new BackendError('lease_lost', 'LEASE_LOST', { status: 409 })
    },
  ]) {
    const lease = keep(renew)
    await once(lease.lost, 'abort')
    expect(lease.cancelled.aborted).toBe(false)
  }
})

it('a-cancellation-is-heard-and-the-lease-still-held', async () => {
  const lease = keep(async () => ({ held: true, cancel: true, commands: [] }))
  await once(lease.cancelled, 'abort')
  expect(lease.lost.aborted).toBe(false)
  lease.end()
})

it('after-the-end-nothing-is-lost-any-more', () => {
  const lease = keep(unused)
  lease.end()
  lease.lose('too late')
  expect(lease.lost.aborted).toBe(false)
  expect(lease.over.aborted).toBe(true)
})

it('only-a-lost-lease-is-taken-for-one', () => {
  expect(kindOf(409, 'LEASE_LOST')).toBe('lease_lost')
  expect(kindOf(404, 'RUN_NOT_FOUND')).toBe('lease_lost')
  // The run is still ours: to drop it would leave it to nobody until the lease ends.
  expect(kindOf(409, 'EVENT_GAP')).toBe('refused')
  expect(kindOf(404, 'NOT_FOUND')).toBe('refused')
  expect(kindOf(400, 'INVALID_BODY')).toBe('refused')
  for (const status of [500, 502, 503, 429, 408]) expect(kindOf(status, 'INTERNAL')).toBe('unreachable')
})

it('runs-of-one-session-take-turns-and-others-do-not-wait', async () => {
  const gate = createSessionGate()
  const order: string[] = []
  const leave = await gate.enter('a')
  const second = gate.enter('a').then((next) => {
    order.push('second')
    next()
  })
  const third = gate.enter('a').then((next) => {
    order.push('third')
    next()
  })
  ;(await gate.enter('b'))()
  order.push('first')
  leave()
  await Promise.all([second, third])
  expect(order).toEqual(['first', 'second', 'third'])
})

it('commands-are-kept-in-order-and-asked-for-from-the-last-one-on', async () => {
  const asked: number[] = []
  const waiting = Promise.withResolvers<void>()
  const lease = keep(async (_run, { commands_after }, signal) => {
    asked.push(commands_after)
    if (commands_after === 0) return { held: true, cancel: false, commands: [message(1), message(2)] }
    // The backend's answer of before, once more, and one more command.
    if (commands_after === 2) return { held: true, cancel: false, commands: [message(2), interrupt(3)] }
    waiting.resolve()
    await once(signal, 'abort')
    throw signal.reason
  })
  const never = new AbortController().signal
  await waiting.promise
  expect(await lease.commands.after(0, never)).toEqual([message(1), message(2), interrupt(3)])
  expect(await lease.commands.after(2, never)).toEqual([interrupt(3)])
  expect(asked).toEqual([0, 2, 3])
  // Who waits for the next one when the turn ends gets none.
  const ended = new AbortController()
  const none = lease.commands.after(3, ended.signal)
  ended.abort()
  expect(await none).toEqual([])
  lease.end()
})

it('a-renewal-that-waits-does-not-outlive-the-run', async () => {
  const began = Promise.withResolvers<AbortSignal>()
  const lease = keep(async (_run, _request, signal) => {
    began.resolve(signal)
    await once(signal, 'abort')
    throw signal.reason
  })
  const signal = await began.promise
  lease.end()
  expect([signal.aborted, lease.lost.aborted]).toEqual([true, false])
})

it('a-backend-that-answers-early-without-news-is-not-asked-without-end', async () => {
  let calls = 0
  const lease = keepLease(
    {
      backend: {
        ...{ claim: unused, start: unused, events: unused, finish: unused, account: unused, memory: unused },
        renew: async () => {
          calls += 1
          return { held: true, cancel: false, commands: [] }
        },
      },
      log: silentLogger,
    },
    {
      ...{ claimed: { run_id: 'run', lease_token: 'lease' }, workerId: 'w' },
      ...{ leaseSeconds: 60, renewWaitMs: 10_000, renewEveryMs: 20_000 },
    },
  )
  await new Promise((resolve) => setImmediate(resolve))
  await new Promise((resolve) => setImmediate(resolve))
  expect(calls).toBe(1)
  lease.end()
})

const message = (n: number): TurnCommand => ({ n, type: 'message', id: `id-${n}`, text: `text ${n}` })
const interrupt = (n: number): TurnCommand => ({ n, type: 'interrupt' })
