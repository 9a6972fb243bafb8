/** Runs that have to stop although nothing has failed, with the real runtime in a real sandbox. */

import type { BudgetRefusal } from '@tutti/contracts'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { oneProvider } from './support/one-provider.ts'
import { createProvider } from './support/relay.ts'
import { bash, createStage, model, providerKey, type Stage, script } from './support/stage.ts'

let stage: Stage
beforeEach(async () => {
  stage = await createStage()
})
afterEach(() => stage.close())

const refusal: BudgetRefusal = {
  scope: 'session',
  scope_id: 's',
  period: 'total',
  measure: 'cost_usd',
  ...{ limit: 1, used: 1.2, set_by: 'owner', message: 'The budget of the session s of $1.00 is used up.' },
}

it('a-used-up-budget-ends-the-run-with-its-name-and-the-files-so-far-are-kept', async () => {
  await stage.start()
  const steps = [bash('echo so far > so-far.txt'), bash('echo never > never.txt'), { say: 'done' }]
  const run = stage.backend.offer({ prompt: script(steps) })
  let calls = 0
  run.account = () => {
    if (run.told.at(-1)?.begin == null) return {}
    calls += 1
    // The second step is paid for; the third is one too many.
    return calls <= 2 ? {} : { verdict: 'stop', refusal }
  }
  const finished = await stage.finished(run)
  expect(finished.outcome).toBe('failed')
  expect(finished.error).toEqual({ code: 'BUDGET_EXCEEDED', message: refusal.message, retryable: false })
  expect(finished.usage?.output_tokens).toBeGreaterThan(0)
  const files = finished.export?.status === 'ready' ? finished.export.files.map(({ path }) => path) : []
  expect(files).toContain('so-far.txt')
  // All that was used was told before the end.
  expect(run.told.flatMap(({ ended }) => ended.map(({ n }) => n))).toEqual(expect.arrayContaining([1, 2]))
})

it('time-that-is-up-ends-the-run-at-once', async () => {
  await stage.start({}, { haltGraceMs: 1 })
  const run = stage.backend.offer({ prompt: script([bash('sleep 600'), { say: 'done' }]) })
  const time: BudgetRefusal = { ...refusal, measure: 'wall_seconds', message: 'The time is up.' }
  run.account = () => {
    const last = run.told.at(-1)
    if (last === undefined || last.wall_ms < 1_500) return { wall_left_ms: 1_500 - (last?.wall_ms ?? 0) }
    return last.begin === null ? { verdict: 'stop', refusal: time, wall_left_ms: 0 } : {}
  }
  const finished = await stage.finished(run)
  expect(finished.error).toMatchObject({ code: 'BUDGET_EXCEEDED', message: 'The time is up.' })
})

it('a-long-rate-limit-parks-the-run-until-the-reset-and-says-nothing-of-an-error', async () => {
  const until = Math.ceil(Date.now() / 1000) * 1000 + 3_600_000
  const provider = await createProvider((request, response) => {
    request.resume()
    const headers = { 'anthropic-ratelimit-unified-reset': String(until / 1000) }
    response.writeHead(429, { 'content-type': 'application/json', ...headers })
    response.end(JSON.stringify({ type: 'error', error: { type: 'rate_limit_error', message: 'later' } }))
  })
  try {
    await stage.start({
      model: oneProvider({ baseUrl: provider.url, key: providerKey, name: model, allowedModels: [] }),
    })
    const run = stage.backend.offer({ prompt: 'hello' })
    const finished = await stage.finished(run)
    expect(finished).toMatchObject({ outcome: 'parked', park: { reason: 'rate_limit' } })
    expect(Math.abs((finished.park?.until ?? 0) - until)).toBeLessThan(1_000)
    expect(finished.error).toBeUndefined()
    const kinds = run.events.map(({ event }) => event.type)
    expect(kinds).toContain('started')
    expect(kinds).not.toContain('error')
  } finally {
    await provider.close()
  }
})

it('a-model-that-nobody-offers-fails-before-a-sandbox-is-opened', async () => {
  await stage.start()
  const run = stage.backend.offer({ prompt: 'x', options: { runtime: 'claude', model: 'gpt-9' } })
  expect((await stage.finished(run)).error).toMatchObject({ code: 'MODEL_NOT_ALLOWED', retryable: false })
  expect(run.started).toBeNull()
})
