/** Scheduled tasks over a real PostgreSQL and the real engine, whose clock the test moves; and what a test does with them. */
import { type CreateScheduledTask, createScheduledTask, type ScheduledTaskView } from '@tutti/contracts'
import { afterEach, beforeEach, expect, vi } from 'vitest'
import type { ScheduledTasks } from '../../src/index.ts'
import { createStage, holder, type Stage, user } from './stage.ts'

export const minute = 60_000
/** Between two instants; a lease lasts longer. */
export const period = 30 * minute

/** A stage for each test of a file. To be called once at its top: it registers the hooks. */
export const scheduledTasks = () => {
  let current: { stage: Stage; tasks: ScheduledTasks } | undefined
  let moved = 0
  beforeEach(async () => {
    moved = 0
    const stage = await createStage()
    await stage.workbench.start()
    current = { stage, tasks: tasksOf(stage) }
  })
  afterEach(() => stageNow().close())

  const ofTheTest = () => {
    if (!current) throw new Error('only a test has a stage')
    return current
  }
  const stageNow = (): Stage => ofTheTest().stage
  const tasksNow = (): ScheduledTasks => ofTheTest().tasks

  const plain = { name: 'Look after it', cron: '*/30 * * * *', prompt: 'look' }
  const make = (task: Partial<CreateScheduledTask> = {}): Promise<ScheduledTaskView> =>
    tasksNow().create(user, createScheduledTask.parse({ ...plain, ...task }))
  const now = (): number => Date.now() + moved
  const pass = (ms: number): void => {
    moved += ms
    stageNow().advance(ms)
  }
  /** To just behind an instant, so that it is due. */
  const until = (instant: string | null): void => pass(Date.parse(instant ?? '') - now() + 500)
  const get = ({ scheduled_task_id: id }: ScheduledTaskView): Promise<ScheduledTaskView> => tasksNow().get(user, id)
  const runsOf = ({ scheduled_task_id: id }: ScheduledTaskView) => tasksNow().runs(user, id, { limit: 100, offset: 0 })
  const eventually = <T>(look: () => Promise<T>): Promise<T> => vi.waitFor(look, { timeout: 10_000, interval: 10 })
  const runCount = (task: ScheduledTaskView, n: number) =>
    eventually(async () => {
      const runs = await runsOf(task)
      expect(runs).toHaveLength(n)
      return runs
    })
  const jobsOf = (task: ScheduledTaskView) =>
    stageNow().engine.jobs({ client: null, labels: [`schedule:${user}/${task.scheduled_task_id}`], limit: 100 })
  /** A claim whose manager stays at work, however the clock is moved. */
  const claimAndHold = async (worker?: string) => {
    const run = await stageNow().claim(worker)
    const renewal = { ...holder(run, worker), lease_seconds: 3600, wait_seconds: 0, commands_after: 0 }
    expect(await stageNow().workbench.renewRun(run.run_id, renewal)).toMatchObject({ held: true })
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

  return {
    get stage() {
      return stageNow()
    },
    get tasks() {
      return tasksNow()
    },
    /** What follows is asked of another process. */
    goOnWith: (process: Pick<Stage, 'workbench'>): void => {
      ofTheTest().tasks = tasksOf(process)
    },
    ...{ make, now, pass, until, get, runsOf, eventually, runCount, jobsOf, claimAndHold, settled, dealtWith },
  }
}

const tasksOf = ({ workbench }: Pick<Stage, 'workbench'>): ScheduledTasks => {
  if (!workbench.scheduledTasks) throw new Error('the stage gives a store')
  return workbench.scheduledTasks
}
