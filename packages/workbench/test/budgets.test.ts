import { randomUUID } from 'node:crypto'
import { type AccountAnswer, accountRun, type ClaimedRun, type EndedCall, TuttiError } from '@tutti/contracts'
import { afterEach, expect, test } from 'vitest'
import type { BudgetSettings } from '../src/index.ts'
import { createStage, finishOf, holder, type Stage, user } from './support/stage.ts'

let stage: Stage
const setUp = async (defaults: BudgetSettings['defaults'] = []): Promise<void> => {
  stage = await createStage([], { budgets: { timeZone: 'UTC', defaults } })
}
afterEach(() => stage.close())

const used = (n: number, more: Partial<EndedCall> = {}): EndedCall => ({
  ...{ n, input_tokens: 100, output_tokens: 10, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 },
  ...{ cost_usd: 0.4, status: 200, complete: true },
  ...more,
})

interface Told {
  begin?: number
  most?: { input_tokens: number; output_tokens: number; cost_usd: number | null }
  ended?: EndedCall[]
  wall_ms?: number
}
const small = { input_tokens: 50, output_tokens: 50, cost_usd: 0.5 }

const tell = (run: ClaimedRun, told: Told, worker = 'manager-1', workbench = stage.workbench): Promise<AccountAnswer> =>
  workbench.accountRun(
    run.run_id,
    accountRun.parse({
      ...{ ...holder(run, worker), wall_ms: told.wall_ms ?? 0, ended: told.ended ?? [] },
      begin: told.begin === undefined ? null : { n: told.begin, model: 'm', provider: 'p', most: told.most ?? small },
    }),
  )

const start = async (config: object = {}, session_id?: string): Promise<ClaimedRun> => {
  await stage.send('x', { config, ...(session_id === undefined ? {} : { session_id }) })
  return stage.claim()
}

test('a-run-stops-one-call-after-its-budget-is-used-up-and-says-which', async () => {
  await setUp()
  const run = await start({ budget: { cost_usd: 1 } })
  expect(await tell(run, { begin: 1 })).toMatchObject({ verdict: 'go', refusal: null })
  expect(await tell(run, { begin: 2, ended: [used(1)] })).toMatchObject({ verdict: 'go' })
  expect(await tell(run, { begin: 3, ended: [used(2)] })).toMatchObject({ verdict: 'go' })
  const { verdict, refusal } = await tell(run, { begin: 4, ended: [used(3)] })
  expect(verdict).toBe('stop')
  expect(refusal).toMatchObject({ scope: 'run', scope_id: run.run_id, measure: 'cost_usd', limit: 1, set_by: 'run' })
  expect(refusal?.used).toBeCloseTo(1.2)
  expect(refusal?.message).toMatch(/\$1\.00 \(set by the run’s own configuration\) is used up: \$1\.20/)
})

test('calls-side-by-side-go-over-a-limit-by-one-at-most-and-the-others-wait', async () => {
  await setUp([{ scope: 'user', period: 'month', variable: 'BUDGET_USER_MONTH_USD', limits: { cost_usd: 2 } }])
  // Two processes, four runs, each wanting call after call at the same time, each call as dear as it said it may be.
  const other = stage.process().workbench
  const runs = await Promise.all([1, 2, 3, 4].map(() => stage.send('x')))
  const claimed = await Promise.all(runs.map(() => stage.claim()))
  let total = 0
  const work = async (run: ClaimedRun, workbench: typeof other): Promise<void> => {
    let ended: EndedCall[] = []
    for (let n = 1; ; ) {
      const { verdict } = await tell(run, { begin: n, ended }, 'manager-1', workbench)
      ended = []
      if (verdict === 'stop') return
      if (verdict === 'wait') continue
      await new Promise((resolve) => setTimeout(resolve, 5))
      total += 0.5
      ended = [used(n, { cost_usd: 0.5 })]
      n += 1
    }
  }
  await Promise.all(claimed.map((run, at) => work(run, at % 2 === 0 ? other : stage.workbench)))
  expect(total).toBeGreaterThanOrEqual(2)
  expect(total).toBeLessThanOrEqual(2.5)
})

test('what-is-told-twice-counts-once-also-after-a-restart', async () => {
  await setUp()
  const run = await start()
  await tell(run, { begin: 1 })
  for (const workbench of [stage.workbench, stage.process().workbench])
    await tell(run, { ended: [used(1)], wall_ms: 2_000 }, 'manager-1', workbench)
  expect(await stage.workbench.sessionSpending(user, run.session_id)).toEqual({
    ...{ calls: 1, input_tokens: 100, output_tokens: 10, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 },
    ...{ cost_usd: 0.4, wall_seconds: 2 },
  })
})

test('retries-count-to-the-same-run-and-its-usage-sums-them', async () => {
  await setUp()
  const first = await start({ budget: { tokens: 200 } })
  await tell(first, { begin: 1 })
  await tell(first, { ended: [used(1)], wall_ms: 1_000 })
  const error = { code: 'X', message: 'x', retryable: true }
  await stage.workbench.finishRun(first.run_id, finishOf(first, { outcome: 'failed', error }))
  stage.advance(60_000)
  const second = await stage.claim()
  expect(second.run_id).toBe(first.run_id)
  expect(await tell(second, { begin: 1 })).toMatchObject({ verdict: 'go' })
  expect(await tell(second, { begin: 2, ended: [used(1)], wall_ms: 500 })).toMatchObject({ verdict: 'stop' })
  const usage = { input_tokens: 7, output_tokens: 7, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 }
  const finished = await stage.workbench.finishRun(
    second.run_id,
    finishOf(second, { usage: { ...usage, cost_usd: 9, duration_ms: 9 } }),
  )
  expect(finished.usage).toMatchObject({ input_tokens: 200, output_tokens: 20, cost_usd: 0.8, duration_ms: 1_500 })
})

test('a-call-whose-holder-is-gone-holds-nothing-back-and-what-it-sent-counts', async () => {
  await setUp()
  const first = await start({ budget: { tokens: 200 } })
  const most = { input_tokens: 120, output_tokens: 1_000_000, cost_usd: 1 }
  await tell(first, { begin: 1, most })
  expect(await tell(first, { begin: 2 })).toMatchObject({ verdict: 'wait' })
  await stage.loseLease(first.job_id)
  const second = await stage.claim('manager-2')
  // Its money is gone; nothing of it may begin any more.
  await expect(tell(first, { begin: 3 })).rejects.toThrow(expect.objectContaining({ code: 'LEASE_LOST' }))
  expect(await tell(second, { begin: 1 }, 'manager-2')).toMatchObject({ verdict: 'go' })
  expect(await stage.workbench.sessionSpending(user, first.session_id)).toMatchObject({ calls: 1, input_tokens: 120 })
  // It tells after all: what it says takes the place of the guess.
  await expect(tell(first, { ended: [used(1)] })).rejects.toThrow(expect.objectContaining({ code: 'LEASE_LOST' }))
  expect(await stage.workbench.sessionSpending(user, first.session_id)).toMatchObject({
    ...{ calls: 1, input_tokens: 100, output_tokens: 10, cost_usd: 0.4 },
  })
})

test('later-runs-are-refused-when-they-are-sent-and-when-they-are-claimed', async () => {
  await setUp([{ scope: 'session', period: 'total', variable: 'BUDGET_SESSION_TOKENS', limits: { tokens: 100 } }])
  const first = await start()
  const { run_id: waiting } = await stage.send('y', { session_id: first.session_id })
  await tell(first, { begin: 1 })
  await tell(first, { ended: [used(1)] })
  await stage.workbench.finishRun(first.run_id, finishOf(first))
  expect(await stage.tryClaim()).toBeNull()
  expect(await stage.workbench.run(user, waiting)).toMatchObject({
    status: 'failed',
    last_error: expect.stringMatching(/^BUDGET_EXCEEDED: .*BUDGET_SESSION_TOKENS.*100 tokens|110 tokens/),
  })
  const again = stage.send('z', { session_id: first.session_id })
  await expect(again).rejects.toThrow(expect.objectContaining({ code: 'BUDGET_EXCEEDED' }))
  // Another session is another budget.
  expect((await start()).session_id).not.toBe(first.session_id)
})

test('time-at-work-has-a-limit-too', async () => {
  await setUp()
  const run = await start({ budget: { wall_seconds: 10 } })
  expect(await tell(run, { wall_ms: 4_000 })).toEqual({ verdict: 'go', refusal: null, wall_left_ms: 6_000 })
  expect(await tell(run, { wall_ms: 10_000 })).toMatchObject({
    verdict: 'stop',
    refusal: { measure: 'wall_seconds', used: 10 },
  })
})

test('a-budget-in-dollars-refuses-a-model-whose-price-nobody-knows-and-tokens-still-count', async () => {
  await setUp()
  const most = { input_tokens: 50, output_tokens: 50, cost_usd: null }
  const rich = await start({ budget: { cost_usd: 1000 } })
  const { verdict, refusal } = await tell(rich, { begin: 1, most })
  expect([verdict, refusal?.message]).toEqual(['stop', expect.stringContaining('MODEL_PRICES')])
  const free = await start({ budget: { tokens: 100 } })
  expect(await tell(free, { begin: 1, most })).toMatchObject({ verdict: 'go' })
  expect(await tell(free, { begin: 2, most, ended: [used(1, { cost_usd: null })] })).toMatchObject({ verdict: 'stop' })
})

test('an-owner-narrows-and-only-the-operator-widens', async () => {
  await setUp([{ scope: 'user', period: 'month', variable: 'BUDGET_USER_MONTH_USD', limits: { cost_usd: 0.1 } }])
  const { workbench } = stage
  await workbench.putBudget(user, { scope: 'user', period: 'month', limits: { cost_usd: 1000 } })
  const run = await start()
  await tell(run, { begin: 1 })
  expect(await tell(run, { begin: 2, ended: [used(1)] })).toMatchObject({
    refusal: { set_by: 'BUDGET_USER_MONTH_USD' },
  })
  await workbench.putOperatorBudget({ scope: 'user', scope_id: user, period: 'month', limits: { cost_usd: 50 } })
  expect(await tell(run, { begin: 2 })).toMatchObject({ verdict: 'go' })
  await workbench.putBudget(user, {
    scope: 'session',
    scope_id: run.session_id,
    period: 'total',
    limits: { tokens: 1 },
  })
  expect(await tell(run, { begin: 3 })).toMatchObject({ refusal: { scope: 'session', set_by: 'owner' } })
  const month = new Date().toISOString().slice(0, 7)
  expect(await workbench.budgets(user, run.session_id)).toEqual(
    expect.arrayContaining([
      expect.objectContaining({
        scope: 'user',
        month,
        set_by: 'operator',
        used: expect.objectContaining({ calls: 1 }),
      }),
      expect.objectContaining({ scope: 'session', month: null, set_by: 'owner', limits: { tokens: 1 } }),
    ]),
  )
  // Removed, it no longer counts.
  await workbench.putBudget(user, { scope: 'session', scope_id: run.session_id, period: 'total', limits: {} })
  expect(await tell(run, { begin: 3 })).toMatchObject({ verdict: 'go' })
})

test('a-strangers-session-has-no-budget-to-set-and-its-use-is-not-told', async () => {
  await setUp()
  const run = await start()
  const stranger = 'somebody-else'
  const given = { scope: 'session', scope_id: run.session_id, period: 'total', limits: { tokens: 1 } } as const
  await expect(stage.workbench.putBudget(stranger, given)).rejects.toBeInstanceOf(TuttiError)
  await expect(stage.workbench.budgets(stranger, run.session_id)).rejects.toBeInstanceOf(TuttiError)
  await expect(stage.workbench.sessionSpending(stranger, run.session_id)).rejects.toBeInstanceOf(TuttiError)
  const project = { scope: 'project', scope_id: randomUUID(), period: 'total', limits: { tokens: 1 } } as const
  await expect(stage.workbench.putBudget(user, project)).rejects.toBeInstanceOf(TuttiError)
})

test('a-project-counts-over-its-sessions', async () => {
  await setUp()
  const { project_id: project } = await stage.workbench.createProject(user, { name: 'a project' })
  const [first, second] = [await start(), await start()]
  await stage.database.query('update workbench.sessions set project_id = $1', [project])
  await stage.workbench.putBudget(user, {
    scope: 'project',
    scope_id: project,
    period: 'month',
    limits: { tokens: 200 },
  })
  await tell(first, { begin: 1 })
  await tell(first, { ended: [used(1)] })
  await tell(second, { begin: 1, most: { ...small, output_tokens: 0 } })
  expect(await tell(second, { begin: 2, ended: [used(1)] })).toMatchObject({
    refusal: { scope: 'project', scope_id: project, used: 220 },
  })
})

test('deleting-a-session-gives-nothing-back', async () => {
  await setUp()
  const run = await start()
  await stage.workbench.putBudget(user, { scope: 'user', period: 'total', limits: { tokens: 100 } })
  await tell(run, { begin: 1 })
  await tell(run, { ended: [used(1)] })
  await stage.workbench.finishRun(run.run_id, finishOf(run))
  await stage.database.query('delete from workbench.sessions')
  await expect(stage.send('again')).rejects.toThrow(expect.objectContaining({ code: 'BUDGET_EXCEEDED' }))
})
