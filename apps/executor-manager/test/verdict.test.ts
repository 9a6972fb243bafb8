import type { SandboxExit } from '@tutti/sandbox'
import { expect, it } from 'vitest'
import { verdictOf } from '../src/finish/verdict.ts'

const tokens = { input_tokens: 1, output_tokens: 2, cache_creation_input_tokens: 3, cache_read_input_tokens: 4 }
const account = { spent: { ...tokens, cost_usd: 0.5 }, durationMs: 99.6 }
const counted = { ...tokens, cost_usd: 0.5, duration_ms: 100 }

it.each([
  ['memory', 'SANDBOX_MEMORY'],
  ['processes', 'SANDBOX_PROCESSES'],
  ['disk', 'SANDBOX_DISK'],
  ['time', 'SANDBOX_TIME'],
  ['killed', 'SANDBOX_KILLED'],
  ['exit', 'EXECUTOR_EXITED'],
] as const)('a-sandbox-that-ends-by-%s-is-a-retryable-failure-with-its-reason-and-its-cost', (reason, code) => {
  const exit: SandboxExit = { reason, code: reason === 'exit' ? 1 : null, signal: null }
  expect(verdictOf({ kind: 'exited', exit }, account)).toEqual({
    outcome: 'failed',
    error: { code, message: expect.any(String), retryable: true },
    usage: counted,
  })
})

it('what-the-runtime-tells-of-its-cost-stands-before-what-passed-the-relay', () => {
  const usage = { ...tokens, input_tokens: 1000 }
  const done = {
    type: 'done' as const,
    agent_session_id: 's',
    result: 'r',
    turns: 1,
    duration_ms: 7,
    usage,
    cost_usd: 9,
  }
  expect(verdictOf({ kind: 'final', event: done }, account)).toEqual({
    outcome: 'completed',
    result: 'r',
    usage: { ...usage, cost_usd: 9, duration_ms: 7 },
  })
})

it('an-error-without-a-sum-gets-the-counted-one', () => {
  const event = { type: 'error' as const, code: 'max_turns' as const, message: 'm', retryable: false }
  expect(verdictOf({ kind: 'final', event }, account)).toEqual({
    outcome: 'failed',
    error: { code: 'max_turns', message: 'm', retryable: false },
    usage: counted,
  })
  expect(verdictOf({ kind: 'final', event: { ...event, usage: tokens } }, account).usage).toEqual(counted)
})

it('a-timeout-is-not-tried-again-and-refused-events-are', () => {
  expect(verdictOf({ kind: 'timeout' }, account)).toMatchObject({ error: { code: 'RUN_TIMEOUT', retryable: false } })
  const refused = verdictOf({ kind: 'refused', message: 'why' }, account)
  expect(refused).toMatchObject({ error: { code: 'EVENTS_REFUSED', retryable: true } })
})

it('a-turn-that-somebody-interrupted-is-cancelled-and-has-not-failed', () => {
  const event = { type: 'error' as const, code: 'interrupted' as const, message: 'm', retryable: true }
  expect(verdictOf({ kind: 'final', event }, account)).toEqual({
    outcome: 'canceled',
    error: { code: 'interrupted', message: 'm', retryable: false },
    usage: counted,
  })
})
