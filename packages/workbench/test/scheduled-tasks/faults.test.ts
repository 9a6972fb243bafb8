/** Instants that nobody fired, that can’t be, or whose schedule was not made: each is made up for as the task says, and told. */
import type { CreateScheduledTask, ScheduledTaskView } from '@tutti/contracts'
import { describe, expect, test } from 'vitest'
import { minute, period, scheduledTasks } from '../support/scheduled-tasks.ts'
import { finishOf, user } from '../support/stage.ts'

const scene = scheduledTasks()
const { make, now, pass, until, get, eventually, runCount, jobsOf, settled, dealtWith } = scene

describe('after an outage of two hours', () => {
  /** Nobody fires anything; then a process comes that does. */
  const outage = async (task: Partial<CreateScheduledTask>): Promise<ScheduledTaskView> => {
    const made = await make({ overlap: 'allow', ...task })
    await scene.stage.workbench.stop()
    await scene.stage.engine.stop()
    pass(Date.parse(made.next_run_at ?? '') - now() + 4 * period + 5 * minute)
    const later = scene.stage.process()
    await later.workbench.start()
    scene.goOnWith(later)
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

describe('an instant that can’t be', () => {
  test('is told, costs no second try before the next instant, and does not stop the task', async () => {
    const task = await make()
    await scene.stage.workbench.putBudget(user, { scope: 'user', period: 'total', limits: { tokens: 1 } })
    await scene.stage.database.query(
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
    await scene.stage.database.query('delete from workbench.spent')
    pass(period)
    await runCount(task, 1)
    expect(await dealtWith(task)).toMatchObject({ last_error: null })
  })

  test('a deleted session switches the task off with the reason; switched on again it begins a new one', async () => {
    const task = await make({ reuse_session: true })
    until(task.next_run_at)
    const first = await scene.stage.claim()
    await scene.stage.workbench.finishRun(first.run_id, finishOf(first))
    await settled(task)
    await scene.stage.workbench.deleteSession(user, first.session_id)
    pass(period)
    const off = await eventually(async () => {
      const found = await get(task)
      expect(found.enabled).toBe(false)
      return found
    })
    expect(off).toMatchObject({ next_run_at: null, session_id: null })
    expect(off.last_error).toMatch(/its session was deleted/)
    await scene.tasks.patch(user, task.scheduled_task_id, { enabled: true })
    const on = await get(task)
    expect(on).toMatchObject({ enabled: true, last_error: null })
    until(on.next_run_at)
    const second = await scene.stage.claim()
    expect(second.session_id).not.toBe(first.session_id)
  })

  test('a database that is away is waited for with growing pauses, and the run is made once', async () => {
    const task = await make()
    await scene.stage.database.query('alter table workbench.runs rename to runs_away')
    until(task.next_run_at)
    const tries = () => jobsOf(task).then(({ jobs }) => jobs.map(({ status }) => status))
    await eventually(async () => expect(await tries()).toEqual(['awaiting_retry']))
    await scene.stage.database.query('alter table workbench.runs_away rename to runs')
    pass(10_000)
    await runCount(task, 1)
  })
})

test('a-schedule-that-could-not-be-made-at-once-is-made-by-the-sweeper', async () => {
  const task = await make()
  // As a crash between the two leaves it.
  await scene.stage.database.query('update workbench.scheduled_tasks set unsettled = true, cron = $1', ['15 * * * *'])
  const other = scene.stage.process()
  await other.workbench.start()
  await eventually(async () => expect(new Date((await get(task)).next_run_at ?? '').getUTCMinutes()).toBe(15))
})
