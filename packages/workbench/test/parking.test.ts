import type { AgentEvent, ClaimedRun, UserInputRequestView } from '@tutti/contracts'
import { TuttiError } from '@tutti/contracts'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { createStage, finishOf, holder, numbered, type Stage, said, spend, user } from './support/stage.ts'

let stage: Stage

beforeAll(async () => {
  stage = await createStage()
})
afterAll(() => stage.close())

const usage = { input_tokens: 10, output_tokens: 1, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 }
const parkedEvent: AgentEvent = {
  ...{ type: 'parked', reason: 'input', until: null, agent_session_id: 'sdk-1', turns: 1, duration_ms: 5 },
  ...{ usage, cost_usd: 0.5 },
}
const asks = (id: string, more: Partial<Extract<AgentEvent, { type: 'request' }>> = {}): AgentEvent => ({
  ...{ type: 'request', kind: 'permission', tool_use_id: id, tool_name: 'Bash', input: { command: `make ${id}` } },
  ...more,
})
const park = { outcome: 'parked', park: { reason: 'input', until: null } }

const store = (run: ClaimedRun, events: AgentEvent[], worker = 'manager-1') =>
  stage.workbench.storeEvents(run.run_id, {
    ...holder(run, worker),
    attempt: run.attempt,
    events: numbered(events),
  })

/** A run whose agent has asked this, and which waits. */
const parked = async (
  events: AgentEvent[],
  options: Parameters<Stage['send']>[1] = {},
): Promise<{ run: ClaimedRun; requests: UserInputRequestView[] }> => {
  await stage.send('ask me', options)
  const run = await stage.claim()
  await store(run, [...events, parkedEvent])
  await spend(stage.workbench, run, { ...usage, cost_usd: 0.5, duration_ms: 5 })
  await stage.workbench.finishRun(
    run.run_id,
    finishOf(run, { ...park, usage: { ...usage, cost_usd: 0.5, duration_ms: 5 } }),
  )
  return { run, requests: await stage.workbench.requests(user, run.session_id) }
}

const answer = (request: UserInputRequestView | undefined, body: Parameters<Stage['workbench']['answerRequest']>[2]) =>
  stage.workbench.answerRequest(user, request?.id ?? '', body)
const code = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'none',
    (error: unknown) => (error instanceof TuttiError ? error.code : String(error)),
  )
const jobOf = (run: ClaimedRun) => stage.engine.job(run.job_id, null)
const lastUpdate = async (run: ClaimedRun) =>
  (await stage.frames(run.session_id)).filter(({ type }) => type === 'user_input.update').at(-1)?.data.requests

test('parked-run-holds-no-task-and-an-answer-wakes-exactly-it', async () => {
  const { run, requests } = await parked([asks('a')])
  expect(run).toMatchObject({ attended: true, continues: false })
  expect(await jobOf(run)).toMatchObject({ status: 'waiting_for_event', state: 'parked' })
  expect(await stage.workbench.run(user, run.run_id)).toMatchObject({ status: 'waiting', attempts: 1 })
  expect((await stage.workbench.session(user, run.session_id)).status).toBe('running')
  expect(await stage.tryClaim()).toBeNull()
  expect(requests).toMatchObject([{ kind: 'permission', status: 'pending', tool_input: { command: 'make a' } }])
  expect(await lastUpdate(run)).toMatchObject([{ id: requests[0]?.id }])

  expect(await answer(requests[0], { decision: 'allow' })).toMatchObject({ status: 'answered', decision: 'allow' })
  expect(await lastUpdate(run)).toEqual([])
  const next = await stage.claim('manager-2')
  expect(next).toMatchObject({ run_id: run.run_id, attempt: 2, continues: true, sdk_session_id: 'sdk-1' })
  expect(next.answers).toEqual([{ tool_use_id: 'a', decision: 'allow', input: { command: 'make a' } }])
  await store(next, [{ ...parkedEvent, type: 'done', result: 'made' } as AgentEvent], 'manager-2')
  await spend(stage.workbench, next, { ...usage, cost_usd: 0.5, duration_ms: 5 }, 'manager-2')
  const view = await stage.workbench.finishRun(next.run_id, finishOf(next, {}, 'manager-2'))
  expect(view).toMatchObject({ status: 'completed', usage: { input_tokens: 20, cost_usd: 1 } })
  expect(await jobOf(run)).toMatchObject({ status: 'finished' })
})

test('run-that-asks-a-hundred-times-is-no-loop', { timeout: 60_000 }, async () => {
  let { run, requests } = await parked([asks('q0')])
  for (let n = 1; n <= 60; n += 1) {
    await answer(requests[0], { decision: 'allow' })
    run = await stage.claim()
    await store(run, [asks(`q${n}`), parkedEvent])
    await stage.workbench.finishRun(run.run_id, finishOf(run, park))
    requests = await stage.workbench.requests(user, run.session_id)
  }
  expect(await jobOf(run)).toMatchObject({ status: 'waiting_for_event' })
  expect(await stage.workbench.run(user, run.run_id)).toMatchObject({ status: 'waiting', attempts: 61 })
  await stage.workbench.cancelSession(user, run.session_id)
})

test('two-answers-at-once-one-wins-and-repeating-it-is-harmless', async () => {
  const { run, requests } = await parked([asks('b')])
  const answers = [{ decision: 'allow' as const }, { decision: 'deny' as const, message: 'no' }]
  const codes = await Promise.all(answers.map((body) => code(answer(requests[0], body))))
  expect([...codes].sort()).toEqual(['REQUEST_ANSWERED', 'none'])
  const won = answers[codes.indexOf('none')] ?? {}
  expect(await code(answer(requests[0], won))).toBe('none')
  const next = await stage.claim()
  expect(next.answers).toMatchObject([won])
  await stage.workbench.finishRun(next.run_id, finishOf(next))
  expect(await stage.tryClaim()).toBeNull()
  expect(await jobOf(run)).toMatchObject({ status: 'finished' })
})

test('answer-before-the-turn-is-reported-parked-is-not-lost', async () => {
  await stage.send('quick')
  const run = await stage.claim()
  await store(run, [asks('c'), parkedEvent])
  const [request] = await stage.workbench.requests(user, run.session_id)
  await answer(request, { decision: 'allow' })
  await stage.workbench.finishRun(run.run_id, finishOf(run, park))
  const next = await stage.claim()
  expect(next).toMatchObject({ run_id: run.run_id, continues: true, answers: [{ tool_use_id: 'c' }] })
  await stage.workbench.finishRun(next.run_id, finishOf(next))
})

test('backend-crash-between-answer-and-engine-heals-by-the-sweeper', async () => {
  const { run, requests } = await parked([asks('d')])
  const dying = stage.process((engine) => ({ ...engine, signal: () => Promise.reject(new Error('died')) }))
  await dying.workbench.answerRequest(user, requests[0]?.id ?? '', { decision: 'allow' })
  expect(await stage.tryClaim()).toBeNull()
  await stage.sweepAll()
  const next = await stage.claim()
  expect(next.answers).toMatchObject([{ tool_use_id: 'd' }])
  await stage.workbench.finishRun(run.run_id, finishOf(next))
})

test('backend-crash-between-parking-and-engine-heals-by-the-sweeper', async () => {
  await stage.send('crash')
  const run = await stage.claim()
  await store(run, [asks('e'), parkedEvent])
  const dying = stage.process((engine) => ({ ...engine, results: () => Promise.reject(new Error('died')) }))
  await expect(dying.workbench.finishRun(run.run_id, finishOf(run, park))).rejects.toThrow('died')
  await stage.sweepAll()
  expect(await jobOf(run)).toMatchObject({ status: 'waiting_for_event' })
  await stage.workbench.cancelSession(user, run.session_id)
})

test('manager-that-dies-after-the-turn-was-parked-costs-no-second-turn', async () => {
  await stage.send('dies')
  const run = await stage.claim()
  await store(run, [asks('f'), parkedEvent])
  await stage.loseLease(run.run_id)
  expect(await stage.tryClaim('manager-2')).toBeNull()
  expect(await jobOf(run)).toMatchObject({ status: 'waiting_for_event' })
  const [request] = await stage.workbench.requests(user, run.session_id)
  await answer(request, { decision: 'allow' })
  const next = await stage.claim('manager-2')
  expect(next).toMatchObject({ continues: true, answers: [{ tool_use_id: 'f' }] })
  await stage.workbench.finishRun(next.run_id, finishOf(next, {}, 'manager-2'))
})

test('what-was-said-to-a-turn-whose-files-died-with-its-manager-is-said-again-and-shown-once', async () => {
  const steered = async (stored: boolean): Promise<{ next: ClaimedRun; heard: string[]; shown: number }> => {
    await stage.send('listen')
    const run = await stage.claim()
    const answered = await stage.workbench.steer(user, run.session_id, { prompt: 'use French' })
    const id = 'command_id' in answered ? answered.command_id : ''
    await store(run, [{ type: 'steered', id }, asks('s'), parkedEvent])
    if (stored) {
      const prefix = `workspaces/${user}/${run.session_id}`
      const files = { status: 'ready', prefix, manifest_key: `${prefix}/manifest.json`, files: [] }
      await stage.workbench.finishRun(run.run_id, finishOf(run, { ...park, export: files }))
    } else {
      await stage.loseLease(run.run_id)
      expect(await stage.tryClaim('manager-2')).toBeNull()
    }
    const [request] = await stage.workbench.requests(user, run.session_id)
    await answer(request, { decision: 'allow' })
    const next = await stage.claim('manager-2')
    const renewal = { ...holder(next, 'manager-2'), lease_seconds: 60, wait_seconds: 0, commands_after: 0 }
    const { commands } = await stage.workbench.renewRun(next.run_id, renewal)
    const again: AgentEvent[] = commands.flatMap((one) =>
      one.type === 'message' ? [{ type: 'steered', id: one.id }] : [],
    )
    if (again.length > 0) await store(next, again, 'manager-2')
    await stage.workbench.finishRun(next.run_id, finishOf(next, {}, 'manager-2'))
    const messages = await stage.workbench.messages(user, run.session_id, { afterId: 0, limit: 100 })
    return {
      next,
      heard: commands.flatMap((one) => (one.type === 'message' ? [one.text] : [])),
      shown: messages.filter(({ text_preview }) => text_preview === 'use French').length,
    }
  }
  expect(await steered(true)).toMatchObject({ next: { continues: true }, heard: [], shown: 1 })
  expect(await steered(false)).toMatchObject({ next: { continues: true }, heard: ['use French'], shown: 1 })
})

test('question-of-a-parked-turn-whose-files-were-lost-is-told-as-interrupted', async () => {
  const { session_id, run_id } = await stage.send('ask me')
  const run = await stage.claim()
  const input = { questions: [{ question: 'which?' }] }
  await store(run, [
    { type: 'tool_call', tool_use_id: 'q', name: 'AskUserQuestion', input, parent_tool_use_id: null },
    asks('q', { kind: 'question', tool_name: 'AskUserQuestion', input }),
    parkedEvent,
  ])
  await stage.loseLease(run_id)
  expect(await stage.tryClaim('manager-2')).toBeNull()
  const calls = async () =>
    (await stage.workbench.toolExecutions(user, session_id, { limit: 10, offset: 0 })).map(
      ({ tool_output }) => tool_output,
    )
  expect(await calls()).toEqual([null])
  const [request] = await stage.workbench.requests(user, session_id)
  await answer(request, { decision: 'allow', answers: { 'which?': 'this' } })
  const next = await stage.claim('manager-2')
  expect(next).toMatchObject({ run_id, continues: true })
  // The conversation may begin anew, and ask under another id.
  expect(await calls()).toEqual(['interrupted'])
  // Or its files were there after all, and it takes up the call that had waited.
  const output = 'this'
  await store(next, [{ type: 'tool_result', tool_use_id: 'q', output, is_error: false, duration_ms: 0 }], 'manager-2')
  expect(await calls()).toEqual(['this'])
  await stage.workbench.finishRun(run_id, finishOf(next, {}, 'manager-2'))
})

test('a-turn-that-goes-on-knows-what-of-its-conversation-the-log-tells', async () => {
  const output = { is_error: false, duration_ms: 1 }
  const { run, requests } = await parked([{ ...said('first'), entry: 'a/0' } as AgentEvent, asks('m')])
  await answer(requests[0], { decision: 'allow' })
  const second = await stage.claim()
  expect(second).toMatchObject({ continues: true, told: ['a/0'] })
  await store(second, [
    { type: 'tool_result', tool_use_id: 'm', output: 'ok', ...output, entry: 'b/1' },
    // A sub-agent's, which the conversation's record has not.
    { ...said('beside'), parent_tool_use_id: 'm' } as AgentEvent,
  ])
  await stage.loseLease(run.run_id)
  const third = await stage.claim('manager-2')
  expect(third).toMatchObject({ attempt: 3, continues: true, told: ['b/1', 'a/0'] })
  await store(third, [{ type: 'todo', todos: [], entry: 'c/2' }], 'manager-2')
  await stage.loseLease(run.run_id)
  const fourth = await stage.claim()
  expect(fourth).toMatchObject({ attempt: 4, told: ['c/2', 'b/1', 'a/0'] })
  await stage.workbench.finishRun(fourth.run_id, finishOf(fourth))
})

test('question-of-an-attempt-that-was-lost-before-it-was-parked-is-withdrawn', async () => {
  await stage.send('lost')
  const run = await stage.claim()
  await store(run, [asks('g')])
  const [request] = await stage.workbench.requests(user, run.session_id)
  await stage.loseLease(run.run_id)
  const next = await stage.claim('manager-2')
  expect(next).toMatchObject({ continues: false, attempt: 2 })
  expect(await code(answer(request, { decision: 'allow' }))).toBe('REQUEST_EXPIRED')
  await stage.workbench.finishRun(next.run_id, finishOf(next, {}, 'manager-2'))
})

test('continued-turn-that-crashes-is-given-its-answers-again', async () => {
  const { run, requests } = await parked([asks('h')])
  await answer(requests[0], { decision: 'allow' })
  const second = await stage.claim()
  await stage.loseLease(run.run_id)
  const third = await stage.claim('manager-2')
  expect(third).toMatchObject({ attempt: 3, continues: true, answers: second.answers })
  await stage.workbench.finishRun(third.run_id, finishOf(third, {}, 'manager-2'))
})

test('unanswered-request-ends-the-run-when-its-time-is-over', async () => {
  const { run, requests } = await parked([asks('i')], { config: { answer_timeout_seconds: 0.05 } })
  expect(requests.length).toBeLessThanOrEqual(1)
  await vi.waitFor(async () => {
    await stage.sweepAll()
    expect(await stage.workbench.run(user, run.run_id)).toMatchObject({ status: 'failed' })
  })
  expect((await stage.workbench.run(user, run.run_id)).last_error).toContain('QUESTION_EXPIRED')
  await vi.waitFor(async () =>
    expect(await jobOf(run)).toMatchObject({ status: 'failed', error: { code: 'QUESTION_EXPIRED' } }),
  )
  const [row] = await stage.database.query<{ id: string; status: string }>(
    'select id, status from workbench.user_input_requests where run_id = $1',
    [run.run_id],
  )
  expect(row?.status).toBe('expired')
  expect(await code(stage.workbench.answerRequest(user, row?.id ?? '', { decision: 'allow' }))).toBe('REQUEST_EXPIRED')
})

test('cancel-while-waiting-expires-the-request-and-ends-the-job', async () => {
  const { run, requests } = await parked([asks('j')])
  const cancelled = await stage.workbench.cancelSession(user, run.session_id, { reason: 'changed my mind' })
  expect(cancelled).toMatchObject({
    ...{ status: 'canceled', canceled_runs: 1, expired_user_input_requests: 1 },
    executor_cancel_status: 'not_required',
  })
  expect(await jobOf(run)).toMatchObject({ status: 'cancelled' })
  expect(await code(answer(requests[0], { decision: 'allow' }))).toBe('REQUEST_EXPIRED')
})

test('job-cancelled-elsewhere-while-waiting-ends-the-run', async () => {
  const { run } = await parked([asks('k')])
  await stage.engine.cancel(run.job_id, null, 'operator', 'enough')
  await stage.sweepAll()
  expect(await stage.workbench.run(user, run.run_id)).toMatchObject({ status: 'canceled' })
  expect(await stage.workbench.requests(user, run.session_id)).toEqual([])
})

test('second-message-waits-until-the-parked-run-has-ended', async () => {
  const { run, requests } = await parked([asks('l')])
  const second = await stage.send('and then?', { session_id: run.session_id })
  expect(await stage.tryClaim()).toBeNull()
  expect(await stage.workbench.queue(user, run.session_id)).toMatchObject([
    { queue_item_id: second.run_id, status: 'queued' },
  ])
  await answer(requests[0], { decision: 'allow' })
  const next = await stage.claim()
  expect(next.run_id).toBe(run.run_id)
  await stage.workbench.finishRun(next.run_id, finishOf(next))
  const after = await stage.claim()
  expect(after).toMatchObject({ run_id: second.run_id, continues: false, prompt: 'and then?' })
  await stage.workbench.finishRun(after.run_id, finishOf(after))
})

test('a-budget-that-is-used-up-in-the-middle-is-the-reason-in-run-session-and-job', async () => {
  await stage.send('spend it')
  const run = await stage.claim()
  const message = 'The budget of the run of $1.00 (set by the run’s own configuration) is used up: $1.20 so far.'
  const error = { code: 'BUDGET_EXCEEDED', message, retryable: false }
  await stage.workbench.finishRun(run.run_id, finishOf(run, { outcome: 'failed', error }))
  const said = `BUDGET_EXCEEDED: ${message}`
  expect(await stage.workbench.run(user, run.run_id)).toMatchObject({ status: 'failed', last_error: said })
  const last = (await stage.frames(run.session_id)).filter(({ type }) => type === 'session.status').at(-1)
  expect(last?.data).toMatchObject({ status: 'failed', error: said })
  expect(await jobOf(run)).toMatchObject({ status: 'failed', error: { message: expect.stringContaining(message) } })
})

test('remembered-permission-becomes-a-rule-of-the-run-and-of-the-session', async () => {
  const { run, requests } = await parked([asks('m', { input: { command: 'rm *.tmp' } })])
  await answer(requests[0], { answers: { approved: 'true' }, remember: true })
  const next = await stage.claim()
  expect(next.options.rules).toEqual({ allow: ['Bash(rm \\*.tmp)'], ask: [], deny: [] })
  await stage.workbench.finishRun(next.run_id, finishOf(next))
  await stage.send('again', { session_id: run.session_id })
  const later = await stage.claim()
  expect(later.options.rules?.allow).toEqual(['Bash(rm \\*.tmp)'])
  await stage.workbench.finishRun(later.run_id, finishOf(later))
})

test('approved-plan-stays-approved-over-the-next-parking', async () => {
  const plan = asks('n', { kind: 'plan', tool_name: 'ExitPlanMode', input: { plan: '# Plan' } })
  const { requests } = await parked([plan], { permission_mode: 'plan' })
  await answer(requests[0], { answers: { approved: 'true' } })
  const next = await stage.claim()
  expect(next).toMatchObject({ permission_mode: 'plan', answers: [{ permission_mode: 'acceptEdits' }] })
  await store(next, [asks('o'), parkedEvent])
  await stage.workbench.finishRun(next.run_id, finishOf(next, park))
  const [second] = await stage.workbench.requests(user, next.session_id)
  await answer(second, { decision: 'deny', message: 'not that' })
  const last = await stage.claim()
  expect(last).toMatchObject({ permission_mode: 'acceptEdits', answers: [{ tool_use_id: 'o', decision: 'deny' }] })
  await stage.workbench.finishRun(last.run_id, finishOf(last))
})

test('answers-are-checked-against-the-questions-and-a-stranger-finds-nothing', async () => {
  const questions = [{ question: 'Which colour?' }]
  const { run, requests } = await parked([
    asks('p', { kind: 'question', tool_name: 'AskUserQuestion', input: { questions } }),
  ])
  const [request] = requests
  expect(await code(answer(request, {}))).toBe('INVALID_BODY')
  expect(await code(answer(request, { answers: { 'Which size?': 'L' } }))).toBe('INVALID_BODY')
  expect(await code(answer(request, { answers: { 'Which colour?': ' ' } }))).toBe('INVALID_BODY')
  expect(await code(answer(request, { decision: 'allow', answers: { 'Which colour?': 'red' }, remember: true }))).toBe(
    'INVALID_BODY',
  )
  const stranger = stage.workbench.answerRequest('stranger', request?.id ?? '', { answers: { 'Which colour?': 'red' } })
  expect(await code(stranger)).toBe('REQUEST_NOT_FOUND')
  await answer(request, { answers: { 'Which colour?': 'red, blue' } })
  const next = await stage.claim()
  expect(next.answers).toMatchObject([{ input: { questions, answers: { 'Which colour?': 'red, blue' } } }])
  await stage.workbench.finishRun(run.run_id, finishOf(next))
})
