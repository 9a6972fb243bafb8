/** What an instant makes: one run, in which session, when, and by whom, over a real PostgreSQL and the real engine, whose clock the test moves. */
import type { AgentEvent } from '@tutti/contracts'
import { expect, test } from 'vitest'
import { period, scheduledTasks } from '../support/scheduled-tasks.ts'
import { finishOf, holder, numbered, user } from '../support/stage.ts'

const scene = scheduledTasks()
const { make, now, pass, until, get, eventually, runCount, settled, dealtWith } = scene

test('a-due-instant-makes-one-run-in-a-session-of-its-own-with-what-task-and-project-say', async () => {
  const project = await scene.stage.workbench.createProject(user, { name: 'p', default_model: 'm-1', git_branch: null })
  const task = await make({ project_id: project.project_id, config: { max_turns: 3 }, permission_mode: 'acceptEdits' })
  expect(task).toMatchObject({
    enabled: true,
    session_id: null,
    last_run_id: null,
    last_run_status: null,
    last_error: null,
  })
  const due = task.next_run_at
  until(due)
  const [run] = await runCount(task, 1)
  expect(run).toMatchObject({
    ...{ scheduled_at: due, schedule_mode: 'scheduled', permission_mode: 'acceptEdits' },
    scheduled_task_id: task.scheduled_task_id,
    config_snapshot: { model: 'm-1', max_turns: 3 },
  })
  expect(await scene.stage.workbench.session(user, run?.session_id ?? '')).toMatchObject({
    ...{ kind: 'scheduled', title: 'Look after it', project_id: project.project_id },
  })
  const claimed = await scene.stage.claim()
  expect(claimed).toMatchObject({ run_id: run?.run_id, prompt: 'look', attended: false })
  await dealtWith(task)
  // It is written down behind what can be claimed already.
  await expect.poll(() => get(task)).toMatchObject({ last_run_id: run?.run_id, last_run_status: 'claimed' })
  await scene.stage.workbench.finishRun(claimed.run_id, finishOf(claimed))
  await settled(task)
  expect(await get(task)).toMatchObject({
    ...{ last_run_status: 'completed', last_error: null, session_id: null },
    last_firing: { due_at: due, outcome: 'fired', reason: null },
  })
  // And later another one, in another session.
  pass(period)
  const [second] = await runCount(task, 2)
  expect(second?.session_id).not.toBe(run?.session_id)
  expect(Date.parse(second?.scheduled_at ?? '')).toBe(Date.parse(due ?? '') + period)
})

test('a-run-that-fails-is-shown-with-its-error', async () => {
  const task = await make()
  until(task.next_run_at)
  const claimed = await scene.stage.claim()
  const error = { code: 'MODEL_ERROR', message: 'no', retryable: false }
  await scene.stage.workbench.finishRun(claimed.run_id, finishOf(claimed, { outcome: 'failed', error }))
  expect(await get(task)).toMatchObject({ last_run_status: 'failed', last_error: 'MODEL_ERROR: no' })
})

test('reused-session-is-one-conversation-that-the-agent-remembers', async () => {
  const task = await make({ reuse_session: true, attended: true })
  until(task.next_run_at)
  const first = await scene.stage.claim()
  expect(first).toMatchObject({ sdk_session_id: null, attended: true })
  const started: AgentEvent = { type: 'started', agent_session_id: 'talk-1', model: 'm', tools: [] }
  await scene.stage.workbench.storeEvents(first.run_id, { ...holder(first), attempt: 1, events: numbered([started]) })
  await scene.stage.workbench.finishRun(first.run_id, finishOf(first))
  await settled(task)
  pass(period)
  const second = await scene.stage.claim()
  expect(second).toMatchObject({ session_id: first.session_id, sdk_session_id: 'talk-1' })
  expect((await get(task)).session_id).toBe(first.session_id)
  expect(await scene.stage.workbench.sessions(user, { limit: 10, offset: 0 })).toHaveLength(1)
})

test('a-time-of-day-that-the-clock-skips-is-due-once-right-after-the-gap', async () => {
  pass(Date.parse('2027-03-27T12:00:00Z') - now())
  const task = await make({ cron: '30 2 * * *', timezone: 'Europe/Berlin' })
  expect(task.next_run_at).toBe('2027-03-28T01:00:00.000Z')
  until(task.next_run_at)
  const first = await scene.stage.claim()
  await scene.stage.workbench.finishRun(first.run_id, finishOf(first))
  expect((await runCount(task, 1))[0]?.scheduled_at).toBe('2027-03-28T01:00:00.000Z')
  expect((await dealtWith(task)).next_run_at).toBe('2027-03-29T00:30:00.000Z')
})

test('a-nightly-task-waits-for-a-window-from-its-instant-on', async () => {
  const task = await make({ schedule_mode: 'nightly' })
  until(task.next_run_at)
  const [run] = await runCount(task, 1)
  expect(run?.schedule_mode).toBe('nightly')
  expect(await scene.stage.tryClaim('m', scene.stage.workbench, ['immediate', 'scheduled'])).toBe(null)
  const claimed = await eventually(async () => {
    const found = await scene.stage.tryClaim('m', scene.stage.workbench, ['nightly'])
    expect(found).not.toBe(null)
    return found
  })
  expect(claimed?.run_id).toBe(run?.run_id)
})

test('two-processes-fire-each-instant-once', async () => {
  const other = scene.stage.process()
  await other.workbench.start()
  const made = await Promise.all(Array.from({ length: 10 }, () => make({ overlap: 'allow' })))
  until(made[0]?.next_run_at ?? null)
  for (const task of made) await runCount(task, 1)
  pass(period)
  for (const task of made) await runCount(task, 2)
})

test('dispatch-due-tells-what-came-of-what-was-due', async () => {
  const [busy, free] = [await make(), await make({ name: 'other' })]
  await scene.tasks.trigger(user, busy.scheduled_task_id)
  expect(await scene.tasks.dispatchDue(50)).toEqual({ dispatched: 0, run_ids: [], skipped: 0, errors: 0 })
  until(busy.next_run_at)
  const answer = await scene.tasks.dispatchDue(50)
  const [run] = await runCount(free, 1)
  // The engine may have been faster than the question: then nothing is due any more.
  expect([
    { dispatched: 1, run_ids: [run?.run_id], skipped: 1, errors: 0 },
    { dispatched: 0, run_ids: [], skipped: 0, errors: 0 },
    { dispatched: 1, run_ids: [run?.run_id], skipped: 0, errors: 0 },
    { dispatched: 0, run_ids: [], skipped: 1, errors: 0 },
  ]).toContainEqual(answer)
})
