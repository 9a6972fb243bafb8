/** Agents that blueprints dispatch and that may ask: the job waits, and holds no worker while it does. */
import { AGENT_SKILL, type AgentEvent, type ClaimedRun } from '@tutti/contracts'
import { agentTask, blueprint } from '@tutti/engine'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { createStage, finishOf, holder, numbered, type Stage, user } from './support/stage.ts'

const asks = blueprint({ name: 'asks' })
  .state('write', { start: true, to: ['done', 'failed'] }, ({ agent }) =>
    agent({
      ...{ prompt: 'write', attended: true, permission_mode: 'default', retry: { attempts: 1 } },
      on: { success: 'done', failure: 'failed' },
    }),
  )
  .end('done', ({ last }) => last?.data)
  .end('failed', { outcome: 'failed' })

const panel = blueprint({ name: 'panel' })
  .state('ask', { start: true, to: ['judge'] }, ({ parallel }) =>
    parallel(
      ['red', 'green', 'blue'].map((prompt) => agentTask({ prompt, attended: prompt !== 'blue' })),
      { into: 'judge' },
    ),
  )
  .state('judge', { to: ['done'] }, ({ results, branches, goTo }) =>
    goTo('done', {
      texts: results.map((each) => (each as { text: string } | null)?.text ?? null),
      branches: branches.map(({ status }) => status),
    }),
  )
  .end('done')

const smuggled = blueprint({ name: 'smuggled' })
  .state('write', { start: true, to: ['done'] }, ({ dispatch }) =>
    dispatch(AGENT_SKILL, { prompt: 'write', attended: true }, { on: { success: 'done' } }),
  )
  .end('done')

const mixed = blueprint({ name: 'mixed' })
  .state('write', { start: true, to: ['done'] }, ({ agent }) =>
    agent({ prompt: 'x', attended: true, sticky: true, on: { success: 'done' } }),
  )
  .end('done')

let stage: Stage
beforeAll(async () => {
  stage = await createStage([asks, panel, smuggled, mixed])
})
afterAll(() => stage.close())

const usage = { input_tokens: 0, output_tokens: 0, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 }
const parkedEvent: AgentEvent = {
  ...{ type: 'parked', reason: 'input', until: null, agent_session_id: 'sdk', turns: 1, duration_ms: 5 },
  ...{ usage, cost_usd: 0 },
}
const question: AgentEvent = {
  ...{ type: 'request', kind: 'question', tool_use_id: 'q', tool_name: 'AskUserQuestion' },
  input: { questions: [{ question: 'Tea or coffee?' }] },
}
const create = async (name: string): Promise<string> =>
  (await stage.engine.create([{ blueprint: name, client: user, input: {} }]))[0]?.id ?? ''
const job = (id: string) => stage.engine.job(id, null)
const ended = (id: string, status: string) => vi.waitFor(async () => expect(await job(id)).toMatchObject({ status }))

/** The agent asks, and its turn is parked. */
const ask = async (run: ClaimedRun): Promise<void> => {
  await stage.workbench.storeEvents(run.run_id, {
    ...{ ...holder(run), attempt: run.attempt },
    events: numbered([question, parkedEvent]),
  })
  await stage.workbench.finishRun(
    run.run_id,
    finishOf(run, { outcome: 'parked', park: { reason: 'input', until: null } }),
  )
}
const answer = async (run: ClaimedRun, choice: string): Promise<void> => {
  const [request] = await stage.workbench.requests(user, run.session_id)
  await stage.workbench.answerRequest(user, request?.id ?? '', { answers: { 'Tea or coffee?': choice } })
}

test('a-blueprints-agent-asks-its-job-waits-without-a-worker-and-goes-on-with-the-answer', async () => {
  const id = await create('asks')
  const run = await stage.claim()
  expect(run).toMatchObject({ attended: true, permission_mode: 'default', prompt: 'write' })
  await ask(run)
  expect(await job(id)).toMatchObject({ status: 'waiting_for_child', waiting: { childId: run.job_id } })
  expect(await job(run.job_id)).toMatchObject({ status: 'waiting_for_event', parentId: id, blueprint: 'agent_run' })
  expect(await stage.tryClaim()).toBeNull()
  // Found by the job that wanted it, and by its own.
  for (const jobId of [id, run.job_id])
    expect(await stage.workbench.sessions(user, { limit: 5, offset: 0, jobId })).toMatchObject([
      { session_id: run.session_id },
    ])
  await answer(run, 'Tea')
  const again = await stage.claim('manager-2')
  expect(again).toMatchObject({ run_id: run.run_id, attempt: 2, continues: true })
  expect(again.answers).toMatchObject([{ input: { answers: { 'Tea or coffee?': 'Tea' } } }])
  await stage.workbench.finishRun(again.run_id, finishOf(again, { result: 'tea it is' }, 'manager-2'))
  await ended(id, 'finished')
  expect((await job(id)).output).toMatchObject({ text: 'tea it is', run_id: run.run_id, session_id: run.session_id })
})

test('its-failure-is-told-as-a-tasks-would-be-and-the-retries-are-the-blueprints', async () => {
  const id = await create('asks')
  const run = await stage.claim()
  const error = { code: 'X', message: 'it broke', retryable: true }
  await stage.workbench.finishRun(run.run_id, finishOf(run, { outcome: 'failed', error }))
  await ended(id, 'failed')
  expect((await job(id)).error?.message).toMatch(/after 1 attempts.*it broke/)
})

test('a-cancelled-job-takes-its-waiting-agent-along-and-no-answer-wakes-it', async () => {
  const id = await create('asks')
  const run = await stage.claim()
  await ask(run)
  await stage.engine.cancel(id, user, user, 'enough')
  await ended(run.job_id, 'cancelled')
  const [request] = await stage.workbench.requests(user, run.session_id)
  await stage.sweepAll()
  expect(await stage.workbench.run(user, run.run_id)).toMatchObject({ status: 'canceled' })
  const late = stage.workbench.answerRequest(user, request?.id ?? '', { answers: { 'Tea or coffee?': 'Tea' } })
  await expect(late).rejects.toThrow(expect.objectContaining({ code: 'REQUEST_EXPIRED' }))
  expect(await stage.tryClaim()).toBeNull()
})

test('of-a-fan-out-some-ask-and-the-job-joins-when-all-are-done', async () => {
  const id = await create('panel')
  const runs = [await stage.claim(), await stage.claim(), await stage.claim()]
  const byPrompt = (prompt: string) => runs.find((run) => run.prompt === prompt) as ClaimedRun
  expect(runs.map(({ prompt, attended }) => [prompt, attended]).sort()).toEqual([
    ['blue', false],
    ['green', true],
    ['red', true],
  ])
  await ask(byPrompt('red'))
  for (const prompt of ['blue', 'green']) {
    const run = byPrompt(prompt)
    await stage.workbench.finishRun(run.run_id, finishOf(run, { result: `${prompt} text` }))
  }
  expect(await job(id)).toMatchObject({ status: 'waiting_for_parallel' })
  // Another process takes it from here.
  stage.process()
  await answer(byPrompt('red'), 'Coffee')
  const again = await stage.claim()
  await stage.workbench.finishRun(again.run_id, finishOf(again, { result: 'red text' }))
  await ended(id, 'finished')
  expect((await job(id)).output).toEqual({
    texts: ['red text', 'green text', 'blue text'],
    branches: ['done', 'done', 'done'],
  })
})

test('an-attended-agent-in-a-task-that-could-not-wait-is-refused', async () => {
  const id = await create('smuggled')
  expect(await stage.tryClaim()).toBeNull()
  await ended(id, 'failed')
  expect((await job(id)).error?.message).toMatch(/agent\(\{ attended: true \}\)/)
  const other = await create('mixed')
  await ended(other, 'error')
  expect((await job(other)).error?.message).toMatch(/`sticky` can't be had with `attended`/)
})
