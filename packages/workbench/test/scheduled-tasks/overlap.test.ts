/** An instant that comes while the task, or somebody in its session, is still at work. */
import { describe, expect, test } from 'vitest'
import { period, scheduledTasks } from '../support/scheduled-tasks.ts'
import { finishOf, user } from '../support/stage.ts'

const scene = scheduledTasks()
const { make, pass, until, get, runsOf, eventually, runCount, claimAndHold, settled, dealtWith } = scene

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
    await scene.stage.workbench.finishRun(first.run_id, finishOf(first))
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
    await scene.stage.workbench.finishRun(first.run_id, finishOf(first))
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
    await scene.stage.workbench.finishRun(first.run_id, finishOf(first))
    await settled(task)
    await scene.stage.send('by hand', { session_id: first.session_id })
    return { task, talk: await claimAndHold() }
  }

  test('skip: the instant is left out', async () => {
    const { task, talk } = await busy('skip')
    pass(period)
    // First its job is there, then that has come to its end: before, all jobs there are have ended, too.
    await dealtWith(task)
    await settled(task)
    expect(await get(task)).toMatchObject({ last_run_status: 'completed', last_error: 'The session is busy' })
    expect(await scene.stage.workbench.queue(user, talk.session_id)).toEqual([])
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
    await scene.stage.workbench.finishRun(talk.run_id, finishOf(talk))
    const next = await claimAndHold()
    expect(next).toMatchObject({ run_id: waiting.last_run_id, prompt: 'look', attended: false })
    expect((await runsOf(task)).map(({ run_id }) => run_id)).toContain(next.run_id)
    await scene.stage.workbench.finishRun(next.run_id, finishOf(next))
    await settled(task)
  })
})
