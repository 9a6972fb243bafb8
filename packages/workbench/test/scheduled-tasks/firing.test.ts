/** Scheduled tasks over a real PostgreSQL and the real engine, whose clock the test moves. */
import {
  type AgentEvent,
  type CreateScheduledTask,
  createScheduledTask,
  patchScheduledTask,
  type ScheduledTaskView,
} from '@tutti/contracts'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { ScheduledTasks } from '../../src/index.ts'
import { createStage, finishOf, holder, numbered, type Stage, user } from '../support/stage.ts'

const minute = 60_000
/** Between two instants; a lease lasts longer. */
const period = 30 * minute

let stage: Stage
let tasks: ScheduledTasks
let moved = 0
beforeEach(async () => {
  moved = 0
  stage = await createStage()
  await stage.workbench.start()
  tasks = tasksOf(stage)
})
afterEach(() => stage.close())

const tasksOf = ({ workbench }: Pick<Stage, 'workbench'>): ScheduledTasks => {
  if (!workbench.scheduledTasks) throw new Error('the stage gives a store')
  return workbench.scheduledTasks
}
const plain = { name: 'Look after it', cron: '*/30 * * * *', prompt: 'look' }
const make = (task: Partial<CreateScheduledTask> = {}): Promise<ScheduledTaskView> =>
  tasks.create(user, createScheduledTask.parse({ ...plain, ...task }))
const now = (): number => Date.now() + moved
const pass = (ms: number): void => {
  moved += ms
  stage.advance(ms)
}
/** To just behind an instant, so that it is due. */
const until = (instant: string | null): void => pass(Date.parse(instant ?? '') - now() + 500)
const get = ({ scheduled_task_id: id }: ScheduledTaskView): Promise<ScheduledTaskView> => tasks.get(user, id)
const runsOf = ({ scheduled_task_id: id }: ScheduledTaskView) => tasks.runs(user, id, { limit: 100, offset: 0 })
const eventually = <T>(look: () => Promise<T>): Promise<T> => vi.waitFor(look, { timeout: 10_000, interval: 10 })
const runCount = (task: ScheduledTaskView, n: number) =>
  eventually(async () => {
    const runs = await runsOf(task)
    expect(runs).toHaveLength(n)
    return runs
  })
const jobsOf = (task: ScheduledTaskView) =>
  stage.engine.jobs({ client: null, labels: [`schedule:${user}/${task.scheduled_task_id}`], limit: 100 })
/** A claim whose manager stays at work, however the clock is moved. */
const claimAndHold = async (worker?: string) => {
  const run = await stage.claim(worker)
  const renewal = { ...holder(run, worker), lease_seconds: 3600, wait_seconds: 0, commands_after: 0 }
  expect(await stage.workbench.renewRun(run.run_id, renewal)).toMatchObject({ held: true })
  return run
}
/** The job of the newest instant has seen its run end. */
const settled = (task: ScheduledTaskView) =>
  eventually(async () => {
    const { jobs } = await jobsOf(task)
    expect(jobs.every(({ status }) => ['finished', 'failed'].includes(status))).toBe(true)
  })
/** What was due has been dealt with. */
const dealtWith = (task: ScheduledTaskView) =>
  eventually(async () => {
    const found = await get(task)
    expect(Date.parse(found.next_run_at ?? '')).toBeGreaterThan(now())
    return found
  })

test('a-due-instant-makes-one-run-in-a-session-of-its-own-with-what-task-and-project-say', async () => {
  const project = await stage.workbench.createProject(user, { name: 'p', default_model: 'm-1', git_branch: null })
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
  expect(await stage.workbench.session(user, run?.session_id ?? '')).toMatchObject({
    ...{ kind: 'scheduled', title: 'Look after it', project_id: project.project_id },
  })
  const claimed = await stage.claim()
  expect(claimed).toMatchObject({ run_id: run?.run_id, prompt: 'look', attended: false })
  await dealtWith(task)
  // It is written down behind what can be claimed already.
  await expect.poll(() => get(task)).toMatchObject({ last_run_id: run?.run_id, last_run_status: 'claimed' })
  await stage.workbench.finishRun(claimed.run_id, finishOf(claimed))
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
  const claimed = await stage.claim()
  const error = { code: 'MODEL_ERROR', message: 'no', retryable: false }
  await stage.workbench.finishRun(claimed.run_id, finishOf(claimed, { outcome: 'failed', error }))
  expect(await get(task)).toMatchObject({ last_run_status: 'failed', last_error: 'MODEL_ERROR: no' })
})

test('reused-session-is-one-conversation-that-the-agent-remembers', async () => {
  const task = await make({ reuse_session: true, attended: true })
  until(task.next_run_at)
  const first = await stage.claim()
  expect(first).toMatchObject({ sdk_session_id: null, attended: true })
  const started: AgentEvent = { type: 'started', agent_session_id: 'talk-1', model: 'm', tools: [] }
  await stage.workbench.storeEvents(first.run_id, { ...holder(first), attempt: 1, events: numbered([started]) })
  await stage.workbench.finishRun(first.run_id, finishOf(first))
  await settled(task)
  pass(period)
  const second = await stage.claim()
  expect(second).toMatchObject({ session_id: first.session_id, sdk_session_id: 'talk-1' })
  expect((await get(task)).session_id).toBe(first.session_id)
  expect(await stage.workbench.sessions(user, { limit: 10, offset: 0 })).toHaveLength(1)
})

describe('when the run before has not ended', () => {
  test('skip: the instant is left out, and the task says why', async () => {
    const task = await make({ overlap: 'skip' })
    until(task.next_run_at)
    const first = await claimAndHold()
    await dealtWith(task)
    pass(period)
    const found = await dealtWith(task)
    expect(found).toMatchObject({ last_run_id: first.run_id, last_firing: { outcome: 'skipped' } })
    expect(found.last_error).toMatch(/still at work/)
    await stage.workbench.finishRun(first.run_id, finishOf(first))
    await settled(task)
    pass(period)
    await runCount(task, 2)
    expect((await dealtWith(task)).last_error).toBe(null)
  })

  test('queue: it begins when that one has ended', async () => {
    const task = await make({ overlap: 'queue', reuse_session: true })
    until(task.next_run_at)
    const first = await claimAndHold()
    await dealtWith(task)
    pass(period)
    await dealtWith(task)
    expect(await runsOf(task)).toHaveLength(1)
    await stage.workbench.finishRun(first.run_id, finishOf(first))
    const second = await claimAndHold()
    expect(second.session_id).toBe(first.session_id)
    expect(second.run_id).not.toBe(first.run_id)
  })

  test('allow: it begins beside it, in a session of its own', async () => {
    const task = await make({ overlap: 'allow' })
    until(task.next_run_at)
    const first = await claimAndHold()
    await dealtWith(task)
    pass(period)
    const second = await claimAndHold('manager-2')
    expect(second.session_id).not.toBe(first.session_id)
  })
})

describe('when somebody talks in the session of its runs', () => {
  const busy = async (overlap: 'skip' | 'queue') => {
    const task = await make({ overlap, reuse_session: true })
    until(task.next_run_at)
    const first = await claimAndHold()
    await stage.workbench.finishRun(first.run_id, finishOf(first))
    await settled(task)
    await stage.send('by hand', { session_id: first.session_id })
    return { task, talk: await claimAndHold() }
  }

  test('skip: the instant is left out', async () => {
    const { task, talk } = await busy('skip')
    pass(period)
    await settled(task)
    expect(await dealtWith(task)).toMatchObject({ last_run_status: 'completed', last_error: 'The session is busy' })
    expect(await stage.workbench.queue(user, talk.session_id)).toEqual([])
  })

  test('queue: its message waits its turn, and is the task’s run then', async () => {
    const { task, talk } = await busy('queue')
    pass(period)
    const waiting = await eventually(async () => {
      const found = await get(task)
      expect(found.last_run_status).toBe('queued')
      return found
    })
    expect(await runsOf(task)).toHaveLength(1)
    await stage.workbench.finishRun(talk.run_id, finishOf(talk))
    const next = await claimAndHold()
    expect(next).toMatchObject({ run_id: waiting.last_run_id, prompt: 'look', attended: false })
    expect((await runsOf(task)).map(({ run_id }) => run_id)).toContain(next.run_id)
    await stage.workbench.finishRun(next.run_id, finishOf(next))
    await settled(task)
  })
})

describe('after an outage of two hours', () => {
  /** Nobody fires anything; then a process comes that does. */
  const outage = async (task: Partial<CreateScheduledTask>): Promise<ScheduledTaskView> => {
    const made = await make({ overlap: 'allow', ...task })
    await stage.workbench.stop()
    await stage.engine.stop()
    pass(Date.parse(made.next_run_at ?? '') - now() + 4 * period + 5 * minute)
    const later = stage.process()
    await later.workbench.start()
    tasks = tasksOf(later)
    return made
  }
  test.each([
    ['skip', 0, {}],
    ['one', 1, {}],
    ['all', 5, {}],
    ['all', 2, { catch_up_window_seconds: 3600 }],
  ] as const)('%s makes up for %i', async (catch_up, n, more) => {
    const task = await outage({ catch_up, ...more })
    await dealtWith(task)
    const instants = (await runCount(task, n)).map(({ scheduled_at }) => Date.parse(scheduled_at))
    const newest = Date.parse(task.next_run_at ?? '') + 4 * period
    expect(instants.toSorted((a, b) => b - a)).toEqual(Array.from({ length: n }, (_, at) => newest - at * period))
  })
})

test('a-time-of-day-that-the-clock-skips-is-due-once-right-after-the-gap', async () => {
  pass(Date.parse('2027-03-27T12:00:00Z') - now())
  const task = await make({ cron: '30 2 * * *', timezone: 'Europe/Berlin' })
  expect(task.next_run_at).toBe('2027-03-28T01:00:00.000Z')
  until(task.next_run_at)
  const first = await stage.claim()
  await stage.workbench.finishRun(first.run_id, finishOf(first))
  expect((await runCount(task, 1))[0]?.scheduled_at).toBe('2027-03-28T01:00:00.000Z')
  expect((await dealtWith(task)).next_run_at).toBe('2027-03-29T00:30:00.000Z')
})

test('a-nightly-task-waits-for-a-window-from-its-instant-on', async () => {
  const task = await make({ schedule_mode: 'nightly' })
  until(task.next_run_at)
  const [run] = await runCount(task, 1)
  expect(run?.schedule_mode).toBe('nightly')
  expect(await stage.tryClaim('m', stage.workbench, ['immediate', 'scheduled'])).toBe(null)
  const claimed = await eventually(async () => {
    const found = await stage.tryClaim('m', stage.workbench, ['nightly'])
    expect(found).not.toBe(null)
    return found
  })
  expect(claimed?.run_id).toBe(run?.run_id)
})

describe('an instant that can’t be', () => {
  test('is told, costs no second try before the next instant, and does not stop the task', async () => {
    const task = await make()
    await stage.workbench.putBudget(user, { scope: 'user', period: 'total', limits: { tokens: 1 } })
    await stage.database.query(
      `insert into workbench.spent (scope, scope_id, period, input_tokens) values ('user', $1, '', 10)
       on conflict (scope, scope_id, period) do update set input_tokens = 10`,
      [user],
    )
    until(task.next_run_at)
    const found = await eventually(async () => {
      const seen = await get(task)
      expect(seen.last_error ?? '').toMatch(/budget|limit/i)
      return seen
    })
    expect(found.last_run_id).toBe(null)
    await settled(task)
    expect((await jobsOf(task)).jobs.map(({ status }) => status)).toEqual(['failed'])
    await stage.database.query('delete from workbench.spent')
    pass(period)
    await runCount(task, 1)
    expect(await dealtWith(task)).toMatchObject({ last_error: null })
  })

  test('a deleted session switches the task off with the reason; switched on again it begins a new one', async () => {
    const task = await make({ reuse_session: true })
    until(task.next_run_at)
    const first = await stage.claim()
    await stage.workbench.finishRun(first.run_id, finishOf(first))
    await settled(task)
    await stage.workbench.deleteSession(user, first.session_id)
    pass(period)
    const off = await eventually(async () => {
      const found = await get(task)
      expect(found.enabled).toBe(false)
      return found
    })
    expect(off).toMatchObject({ next_run_at: null, session_id: null })
    expect(off.last_error).toMatch(/its session was deleted/)
    await tasks.patch(user, task.scheduled_task_id, { enabled: true })
    const on = await get(task)
    expect(on).toMatchObject({ enabled: true, last_error: null })
    until(on.next_run_at)
    const second = await stage.claim()
    expect(second.session_id).not.toBe(first.session_id)
  })

  test('a database that is away is waited for with growing pauses, and the run is made once', async () => {
    const task = await make()
    await stage.database.query('alter table workbench.runs rename to runs_away')
    until(task.next_run_at)
    const tries = () => jobsOf(task).then(({ jobs }) => jobs.map(({ status }) => status))
    await eventually(async () => expect(await tries()).toEqual(['awaiting_retry']))
    await stage.database.query('alter table workbench.runs_away rename to runs')
    pass(10_000)
    await runCount(task, 1)
  })
})

test('two-processes-fire-each-instant-once', async () => {
  const other = stage.process()
  await other.workbench.start()
  const made = await Promise.all(Array.from({ length: 10 }, () => make({ overlap: 'allow' })))
  until(made[0]?.next_run_at ?? null)
  for (const task of made) await runCount(task, 1)
  pass(period)
  for (const task of made) await runCount(task, 2)
})

test('trigger-runs-it-now-also-when-it-is-off-and-an-instant-meanwhile-sees-it-at-work', async () => {
  const task = await make({ enabled: false })
  expect(task.next_run_at).toBe(null)
  const { session_id, run_id, queued } = await tasks.trigger(user, task.scheduled_task_id)
  const claimed = await stage.claim()
  expect([claimed.session_id, claimed.run_id, queued]).toEqual([session_id, run_id, false])
  expect(await get(task)).toMatchObject({ last_run_id: run_id, last_run_status: 'claimed' })
  const on = await tasks.patch(user, task.scheduled_task_id, patchScheduledTask.parse({ enabled: true }))
  until(on.next_run_at)
  await dealtWith(on)
  expect(await runsOf(task)).toHaveLength(1)
})

test('what-is-changed-is-so-from-the-next-instant-on-and-what-is-deleted-is-never-due', async () => {
  const task = await make({ config: { max_turns: 3, model: 'm' } })
  const id = task.scheduled_task_id
  const changed = await tasks.patch(user, id, {
    prompt: 'look again',
    cron: '45 * * * *',
    config: { model: null, instructions: 'briefly' },
    overlap: 'queue',
    catch_up: 'skip',
  })
  expect(changed).toMatchObject({
    overlap: 'queue',
    catch_up: 'skip',
    config: { max_turns: 3, model: null, instructions: 'briefly' },
  })
  expect(new Date(changed.next_run_at ?? '').getUTCMinutes()).toBe(45)
  until(changed.next_run_at)
  const claimed = await stage.claim()
  expect(claimed).toMatchObject({ prompt: 'look again', config: { max_turns: 3, instructions: 'briefly' } })
  expect(claimed.config.model).toBe(undefined)
  await stage.workbench.finishRun(claimed.run_id, finishOf(claimed))
  await expect(tasks.patch(user, id, { reuse_session: true, overlap: 'allow' })).rejects.toMatchObject({
    code: 'INVALID_BODY',
    path: 'body.overlap',
  })
  await tasks.delete(user, id)
  await expect(get(task)).rejects.toMatchObject({ code: 'SCHEDULED_TASK_NOT_FOUND' })
  expect(await stage.workbench.runs(user, claimed.session_id, { limit: 10, offset: 0 })).toHaveLength(1)
  pass(3 * period)
  expect(await stage.tryClaim()).toBe(null)
})

test('nothing-of-it-is-a-strangers', async () => {
  const task = await make()
  const id = task.scheduled_task_id
  const project = await stage.workbench.createProject('stranger', { name: 'p' })
  const unknown = { code: 'SCHEDULED_TASK_NOT_FOUND' }
  await expect(tasks.get('stranger', id)).rejects.toMatchObject(unknown)
  await expect(tasks.patch('stranger', id, { enabled: false })).rejects.toMatchObject(unknown)
  await expect(tasks.delete('stranger', id)).rejects.toMatchObject(unknown)
  await expect(tasks.trigger('stranger', id)).rejects.toMatchObject(unknown)
  await expect(tasks.runs('stranger', id, { limit: 1, offset: 0 })).rejects.toMatchObject(unknown)
  expect(await tasks.list('stranger', { limit: 10, offset: 0 })).toEqual([])
  await expect(make({ project_id: project.project_id })).rejects.toMatchObject({ code: 'PROJECT_NOT_FOUND' })
  const source = 'attachments/somebody/x'
  await expect(make({ config: { input_files: [{ name: 'a', source }] } })).rejects.toMatchObject({
    path: 'body.config.input_files[0].source',
  })
  expect((await tasks.list(user, { limit: 10, offset: 0 })).map(({ scheduled_task_id }) => scheduled_task_id)).toEqual([
    id,
  ])
})

test('a-schedule-that-could-not-be-made-at-once-is-made-by-the-sweeper', async () => {
  const task = await make()
  // As a crash between the two leaves it.
  await stage.database.query('update workbench.scheduled_tasks set unsettled = true, cron = $1', ['15 * * * *'])
  const other = stage.process()
  await other.workbench.start()
  await eventually(async () => expect(new Date((await get(task)).next_run_at ?? '').getUTCMinutes()).toBe(15))
})

test('dispatch-due-tells-what-came-of-what-was-due', async () => {
  const [busy, free] = [await make(), await make({ name: 'other' })]
  await tasks.trigger(user, busy.scheduled_task_id)
  expect(await tasks.dispatchDue(50)).toEqual({ dispatched: 0, run_ids: [], skipped: 0, errors: 0 })
  until(busy.next_run_at)
  const answer = await tasks.dispatchDue(50)
  const [run] = await runCount(free, 1)
  // The engine may have been faster than the question: then nothing is due any more.
  expect([
    { dispatched: 1, run_ids: [run?.run_id], skipped: 1, errors: 0 },
    { dispatched: 0, run_ids: [], skipped: 0, errors: 0 },
    { dispatched: 1, run_ids: [run?.run_id], skipped: 0, errors: 0 },
    { dispatched: 0, run_ids: [], skipped: 1, errors: 0 },
  ]).toContainEqual(answer)
})
