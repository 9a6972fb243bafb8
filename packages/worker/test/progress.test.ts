import { expect, test } from 'vitest'
import { z } from 'zod'
import { skill, type Task } from '../src/index.ts'
import { aTask } from './support/fake-orchestrator.ts'
import { createManualClock } from './support/manual-clock.ts'
import { fakeOrchestrator, runningWorker, until } from './support/setup.ts'

/** A skill that hands its task to the test and waits to be ended by it. */
const openTask = () => {
  const task = Promise.withResolvers<Task>()
  const end = Promise.withResolvers<void>()
  const run = async (_params: object, given: Task) => {
    task.resolve(given)
    await end.promise
  }
  return { skill: skill({ params: z.looseObject({}), run }), task: task.promise, end: end.resolve }
}

test('progress-storm-sends-only-the-newest-of-each-interval', async () => {
  const server = await fakeOrchestrator()
  const clock = createManualClock()
  const open = openTask()
  await runningWorker(server, { clock, progressIntervalMs: 500, skills: { open: open.skill } })
  server.enqueue(aTask({ type: 'open' }))
  const task = await open.task
  for (let step = 0; step <= 1000; step += 1) task.progress(step / 1000, `step ${step}`)
  await until(() => clock.sleeping().includes(500))
  expect(server.progress.map(({ progress }) => progress)).toEqual([0])
  clock.advance(500)
  await until(() => server.progress.length === 2)
  expect(server.progress[1]).toMatchObject({
    task_id: task.taskId,
    job_id: task.jobId,
    progress: 1,
    message: 'step 1000',
  })
  open.end()
})

test('lost-progress-never-fails-the-task', async () => {
  const server = await fakeOrchestrator()
  const open = openTask()
  await runningWorker(server, { skills: { open: open.skill } })
  server.fail('POST', /events$/, 'drop')
  server.enqueue(aTask({ type: 'open' }))
  const task = await open.task
  task.progress(0.5)
  await until(() => server.requests.some(({ path }) => path.endsWith('/events')))
  task.progress(0.75)
  await until(() => server.progress.length === 1)
  expect(server.progress[0]?.progress).toBe(0.75)
  open.end()
  await until(() => server.accepted.length === 1)
  expect(server.accepted[0]?.status).toBe('success')
})

test('nonsense-progress-is-clamped-or-left-out', async () => {
  const server = await fakeOrchestrator()
  const open = openTask()
  await runningWorker(server, { skills: { open: open.skill } })
  server.enqueue(aTask({ type: 'open' }))
  const task = await open.task
  task.progress(Number.NaN)
  task.progress(7, 'x'.repeat(5000))
  await until(() => server.progress.length === 1)
  expect(server.progress[0]).toMatchObject({ progress: 1, message: 'x'.repeat(1000) })
  open.end()
  await until(() => server.accepted.length === 1)
})

test('progress goes over the open WebSocket', async () => {
  const server = await fakeOrchestrator()
  const open = openTask()
  await runningWorker(server, { webSocket: true, skills: { open: open.skill } })
  await until(() => server.sockets.size === 1)
  server.enqueue(aTask({ type: 'open' }))
  const task = await open.task
  task.progress(0.25)
  await until(() => server.progress.length === 1)
  expect(server.requests.some(({ path }) => path.endsWith('/events'))).toBe(false)
  open.end()
})
