/** The one account of use: nothing that an agent or its owner does gets around it, and everything that is shown reads it. */
import { accountRun, type ClaimedRun, type EndedCall } from '@tutti/contracts'
import { afterEach, expect, test, vi } from 'vitest'
import type { BudgetSettings, Workbench } from '../src/index.ts'
import { createStage, finishOf, holder, type Stage, user } from './support/stage.ts'

let stage: Stage
const setUp = async (defaults: BudgetSettings['defaults'] = [], timeZone = 'UTC'): Promise<void> => {
  stage = await createStage([], { budgets: { timeZone, defaults } })
}
afterEach(() => stage.close())

const dear = 0.5
const used = (n: number): EndedCall => ({
  ...{ n, input_tokens: 100, output_tokens: 10, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 },
  ...{ cost_usd: dear, status: 200, complete: true },
})
const most = { input_tokens: 100, output_tokens: 10, cost_usd: dear }

const tell = (run: ClaimedRun, told: { begin?: number; ended?: EndedCall[]; wall_ms?: number }, by = stage.workbench) =>
  by.accountRun(
    run.run_id,
    accountRun.parse({
      ...{ ...holder(run), wall_ms: told.wall_ms ?? 0, ended: told.ended ?? [] },
      begin: told.begin === undefined ? null : { n: told.begin, model: 'm', provider: 'p', most },
    }),
  )

/** Makes calls one after another until it is stopped; with `calls`, no more than so many. */
const spendOn = async (run: ClaimedRun, by: Workbench, calls = Number.POSITIVE_INFINITY): Promise<number> => {
  let ended: EndedCall[] = []
  for (let n = 1; n <= calls; ) {
    const { verdict } = await tell(run, { begin: n, ended }, by)
    ended = []
    if (verdict === 'stop') return n - 1
    if (verdict === 'wait') continue
    ended = [used(n)]
    n += 1
  }
  await tell(run, { ended }, by)
  return calls
}

const start = async (session_id?: string): Promise<ClaimedRun> => {
  const { run_id } = await stage.send('x', session_id === undefined ? {} : { session_id })
  const run = await stage.claim()
  expect(run.run_id).toBe(run_id)
  return run
}

/** A branch from the end of the session's last turn. */
const branch = async (sessionId: string): Promise<string> => {
  const messages = await stage.workbench.messages(user, sessionId, { afterId: 0, limit: 100 })
  return (await stage.workbench.branch(user, sessionId, { message_id: messages.at(-1)?.id ?? 0 })).session_id
}

const total = async (): Promise<number> => {
  const analytics = await stage.workbench.analytics(user, { timezone: 'UTC' })
  return analytics.summary.all_time.cost_usd
}

test('a-sessions-limit-holds-through-forks-of-forks-retries-and-restarts-and-is-passed-by-one-call', async () => {
  await setUp([{ scope: 'session', period: 'total', variable: 'BUDGET_SESSION_USD', limits: { cost_usd: 4 } }])
  const first = await start()
  await spendOn(first, stage.workbench, 2)
  // Its manager dies in the middle of a call, and of the next try the backend does.
  await tell(first, { begin: 3 })
  await stage.loseLease(first.job_id)
  const again = await stage.claim()
  expect(again.run_id).toBe(first.run_id)
  await spendOn(again, stage.process().workbench, 2)
  await stage.workbench.finishRun(again.run_id, finishOf(again))

  const child = await branch(first.session_id)
  const grandchild = await branch(child)
  const sibling = await branch(first.session_id)
  const forks: ClaimedRun[] = []
  for (const id of [child, grandchild, sibling, first.session_id]) forks.push(await start(id))
  const other = stage.process().workbench
  await Promise.all(forks.map((run, at) => spendOn(run, at % 2 === 0 ? other : stage.workbench)))
  // The lost call counts by what was sent: $4 are reached by the sum of them, and passed by one at most.
  const spent = await total()
  expect(spent).toBeGreaterThanOrEqual(4)
  expect(spent).toBeLessThan(4 + dear)
  const { refusal } = await tell(forks[1] as ClaimedRun, { begin: 99 })
  expect(refusal).toMatchObject({ scope: 'session', measure: 'cost_usd', limit: 4, set_by: 'BUDGET_SESSION_USD' })
  const late = stage.send('y', { session_id: await branchOfEnded(forks) })
  await expect(late).rejects.toThrow(expect.objectContaining({ code: 'BUDGET_EXCEEDED' }))
  // A session of its own is not part of it.
  expect(await tell(await start(), { begin: 1 })).toMatchObject({ verdict: 'go' })
})

const branchOfEnded = async (runs: ClaimedRun[]): Promise<string> => {
  for (const run of runs) await stage.workbench.finishRun(run.run_id, finishOf(run))
  return branch(runs[0]?.session_id ?? '')
}

test('a-forks-own-limit-does-not-count-what-its-source-used', async () => {
  await setUp()
  const source = await start()
  await spendOn(source, stage.workbench, 3)
  await stage.workbench.finishRun(source.run_id, finishOf(source))
  const fork = await branch(source.session_id)
  await stage.workbench.putBudget(user, {
    ...{ scope: 'session', scope_id: fork, period: 'total', limits: { cost_usd: 2 * dear } },
  } as const)
  expect(await spendOn(await start(fork), stage.workbench)).toBe(2)
})

test('copies-of-a-branch-are-shown-and-count-nowhere-twice', async () => {
  await setUp()
  const source = await start()
  await spendOn(source, stage.workbench, 2)
  await stage.workbench.finishRun(source.run_id, finishOf(source))
  const fork = await branch(await branch(source.session_id))
  const [copy] = await stage.workbench.runs(user, fork, { limit: 10, offset: 0 })
  expect(copy?.usage).toMatchObject({ input_tokens: 200, cost_usd: 1 })
  expect((await stage.workbench.usage(user, fork)).usage_json).toMatchObject({ input_tokens: 200 })
  expect(await stage.workbench.sessionSpending(user, fork)).toBeNull()
  const run = await start(fork)
  await spendOn(run, stage.workbench, 1)
  expect((await stage.workbench.usage(user, fork)).usage_json).toMatchObject({ input_tokens: 300 })
  const { summary } = await stage.workbench.analytics(user, { timezone: 'UTC' })
  expect(summary.month).toEqual(summary.all_time)
  expect(summary.all_time).toMatchObject({ runs: 2, input_tokens: 300, cost_usd: 1.5 })
})

test('the-ledger-names-each-call-and-all-that-is-shown-adds-up-to-it', async () => {
  await setUp()
  const run = await start()
  await spendOn(run, stage.workbench, 2)
  await tell(run, { wall_ms: 1_500 })
  const told = { ...used(1), input_tokens: 999_999, duration_ms: 9 }
  const finished = await stage.workbench.finishRun(run.run_id, finishOf(run, { usage: told }))
  const calls = await stage.workbench.modelCalls(user, run.session_id, { limit: 10, offset: 0 })
  expect(calls).toMatchObject([
    { run_id: run.run_id, attempt: 1, n: 2, purpose: 'turn', model: 'm', provider: 'p', state: 'ended', status: 200 },
    { n: 1, input_tokens: 100, output_tokens: 10, cost_usd: dear },
  ])
  expect(JSON.stringify(calls)).not.toContain(run.lease_token)
  // What the runtime says is compared with the calls, and never shown in their place.
  expect(finished.usage).toMatchObject({ input_tokens: 200, output_tokens: 20, cost_usd: 1, duration_ms: 1_500 })
  const usage = (await stage.frames(run.session_id)).filter(({ type }) => type === 'usage')
  expect(usage).toMatchObject([{ data: { input_tokens: 200, cost_usd: 1 } }])
  expect(await stage.workbench.usage(user, run.session_id)).toMatchObject({ total_duration_ms: 1_500 })
  const stranger = stage.workbench.modelCalls('somebody', run.session_id, { limit: 10, offset: 0 })
  await expect(stranger).rejects.toThrow(expect.objectContaining({ code: 'SESSION_NOT_FOUND' }))
})

test('a-month-begins-by-the-clocks-of-its-owner', async () => {
  // Kiritimati is 14 hours before UTC and Niue 11 behind it: at every instant they are in different days.
  const month = async (timeZone: string): Promise<string> => {
    await setUp([{ scope: 'user', period: 'month', variable: 'X', limits: { tokens: 1 } }], timeZone)
    const [budget] = await stage.workbench.budgets(user, undefined)
    return budget?.month ?? ''
  }
  for (const timeZone of ['Pacific/Kiritimati', 'Pacific/Niue']) {
    const said = await month(timeZone)
    const [{ wanted } = { wanted: '' }] = await stage.database.query<{ wanted: string }>(
      `select to_char(now() at time zone $1, 'YYYY-MM') as wanted`,
      [timeZone],
    )
    expect(said).toBe(wanted)
    if (timeZone === 'Pacific/Kiritimati') await stage.close()
  }
  // What was used up last month stands in nobody's way this month.
  const run = await start()
  await spendOn(run, stage.workbench, 1)
  expect(await tell(run, { begin: 2 })).toMatchObject({ verdict: 'stop', refusal: { period: 'month' } })
  await stage.database.query(`update workbench.spent set period = '2020-01' where period ~ '^[0-9]{4}-[0-9]{2}$'`)
  expect(await tell(run, { begin: 2 })).toMatchObject({ verdict: 'go' })
})

test('of-two-that-tell-at-once-neither-waits-for-the-other-for-ever', async () => {
  await setUp()
  const runs: ClaimedRun[] = []
  for (let at = 0; at < 6; at += 1) runs.push(await start())
  const other = stage.process().workbench
  await Promise.all(runs.map((run, at) => spendOn(run, at % 2 === 0 ? other : stage.workbench, 10)))
  await vi.waitFor(async () => expect(await total()).toBeCloseTo(60 * dear))
})
