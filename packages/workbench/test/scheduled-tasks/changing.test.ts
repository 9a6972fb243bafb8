/** What its owner does with a scheduled task: trigger, change, delete; and that nobody else can. */
import { patchScheduledTask } from '@tutti/contracts'
import { expect, test } from 'vitest'
import { period, scheduledTasks } from '../support/scheduled-tasks.ts'
import { finishOf, user } from '../support/stage.ts'

const scene = scheduledTasks()
const { make, pass, until, get, runsOf, dealtWith } = scene

test('trigger-runs-it-now-also-when-it-is-off-and-an-instant-meanwhile-sees-it-at-work', async () => {
  const task = await make({ enabled: false })
  expect(task.next_run_at).toBe(null)
  const { session_id, run_id, queued } = await scene.tasks.trigger(user, task.scheduled_task_id)
  const claimed = await scene.stage.claim()
  expect([claimed.session_id, claimed.run_id, queued]).toEqual([session_id, run_id, false])
  expect(await get(task)).toMatchObject({ last_run_id: run_id, last_run_status: 'claimed' })
  const on = await scene.tasks.patch(user, task.scheduled_task_id, patchScheduledTask.parse({ enabled: true }))
  until(on.next_run_at)
  await dealtWith(on)
  expect(await runsOf(task)).toHaveLength(1)
})

test('what-is-changed-is-so-from-the-next-instant-on-and-what-is-deleted-is-never-due', async () => {
  const task = await make({ config: { max_turns: 3, model: 'm' } })
  const id = task.scheduled_task_id
  const changed = await scene.tasks.patch(user, id, {
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
  const claimed = await scene.stage.claim()
  expect(claimed).toMatchObject({ prompt: 'look again', config: { max_turns: 3, instructions: 'briefly' } })
  expect(claimed.config.model).toBe(undefined)
  await scene.stage.workbench.finishRun(claimed.run_id, finishOf(claimed))
  await expect(scene.tasks.patch(user, id, { reuse_session: true, overlap: 'allow' })).rejects.toMatchObject({
    code: 'INVALID_BODY',
    path: 'body.overlap',
  })
  await scene.tasks.delete(user, id)
  await expect(get(task)).rejects.toMatchObject({ code: 'SCHEDULED_TASK_NOT_FOUND' })
  expect(await scene.stage.workbench.runs(user, claimed.session_id, { limit: 10, offset: 0 })).toHaveLength(1)
  pass(3 * period)
  expect(await scene.stage.tryClaim()).toBe(null)
})

test('nothing-of-it-is-a-strangers', async () => {
  const task = await make()
  const id = task.scheduled_task_id
  const project = await scene.stage.workbench.createProject('stranger', { name: 'p' })
  const unknown = { code: 'SCHEDULED_TASK_NOT_FOUND' }
  await expect(scene.tasks.get('stranger', id)).rejects.toMatchObject(unknown)
  await expect(scene.tasks.patch('stranger', id, { enabled: false })).rejects.toMatchObject(unknown)
  await expect(scene.tasks.delete('stranger', id)).rejects.toMatchObject(unknown)
  await expect(scene.tasks.trigger('stranger', id)).rejects.toMatchObject(unknown)
  await expect(scene.tasks.runs('stranger', id, { limit: 1, offset: 0 })).rejects.toMatchObject(unknown)
  expect(await scene.tasks.list('stranger', { limit: 10, offset: 0 })).toEqual([])
  await expect(make({ project_id: project.project_id })).rejects.toMatchObject({ code: 'PROJECT_NOT_FOUND' })
  const source = 'attachments/somebody/x'
  await expect(make({ config: { input_files: [{ name: 'a', source }] } })).rejects.toMatchObject({
    path: 'body.config.input_files[0].source',
  })
  expect(
    (await scene.tasks.list(user, { limit: 10, offset: 0 })).map(({ scheduled_task_id }) => scheduled_task_id),
  ).toEqual([id])
})
