import { expect, test } from 'vitest'
import { z } from 'zod'
import { skill } from '../src/index.ts'
import { aTask } from './support/fake-orchestrator.ts'
import { createManualClock } from './support/manual-clock.ts'
import { fakeOrchestrator, gatedSkill, runningWorker, until } from './support/setup.ts'

test('cancel-aborts-signal', async () => {
  const server = await fakeOrchestrator()
  const gated = gatedSkill()
  await runningWorker(server, { webSocket: true, skills: { gated: gated.skill } })
  const [one, other] = [aTask({ type: 'gated' }), aTask({ type: 'gated' })]
  server.enqueue(one, other)
  await until(() => gated.started.length === 2 && server.sockets.size === 1)
  server.command({ command: 'cancel_task', task_id: one.task_id, job_id: one.job_id })
  await until(() => server.accepted.length === 1)
  expect(server.accepted[0]).toMatchObject({ task_id: one.task_id, status: 'cancelled' })
  expect(gated.aborted.get(one.task_id)).toMatchObject({ name: 'AbortError' })
  expect(gated.aborted.has(other.task_id)).toBe(false)
})

test('cancel-that-comes-too-late-does-not-hide-finished-work', async () => {
  const server = await fakeOrchestrator()
  const started = Promise.withResolvers<void>()
  const stubborn = skill({
    params: z.looseObject({}),
    run: async (_params, { signal }) => {
      started.resolve()
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      return { finished: true }
    },
  })
  await runningWorker(server, { webSocket: true, skills: { stubborn } })
  const task = aTask({ type: 'stubborn' })
  server.enqueue(task)
  await started.promise
  await until(() => server.sockets.size === 1)
  server.command({ command: 'cancel_task', task_id: task.task_id, job_id: task.job_id })
  await until(() => server.accepted.length === 1)
  expect(server.accepted[0]).toMatchObject({ status: 'success', data: { finished: true } })
})

test('heartbeat-says-a-task-is-lost', async () => {
  const server = await fakeOrchestrator({ heartbeatSeconds: 0.005 })
  const gated = gatedSkill()
  await runningWorker(server, { concurrency: 2, skills: { gated: gated.skill } })
  const [lost, kept] = [aTask({ type: 'gated' }), aTask({ type: 'gated' })]
  server.enqueue(lost, kept)
  await until(() => gated.started.length === 2)
  server.cancel(lost.task_id)
  await until(() => gated.aborted.has(lost.task_id))
  // Its slot is free again, and nobody hears of it any more.
  await until(() => server.parkedPolls() === 1)
  gated.release(kept.task_id)
  await until(() => server.accepted.length === 1)
  expect(server.answers).toEqual([{ status: 'accepted' }])
  expect(server.accepted[0]?.task_id).toBe(kept.task_id)
})

test('heartbeat-keeps-undelivered-results-alive-and-drops-refused-ones', async () => {
  const server = await fakeOrchestrator({ heartbeatSeconds: 0.005 })
  await runningWorker(server)
  server.fail('POST', /results$/, { status: 503 }, 1_000_000)
  const task = aTask()
  server.enqueue(task)
  await until(() => server.heartbeats.some(({ current_tasks }) => current_tasks?.includes(task.task_id)))
  server.cancel(task.task_id)
  await until(() => server.heartbeats.at(-1)?.current_tasks?.length === 0)
  server.recover()
  server.enqueue(aTask({ params: { other: true } }))
  await until(() => server.accepted.length === 1)
  expect(server.accepted[0]?.data).toEqual({ other: true })
  expect(server.answers).toHaveLength(1)
})

test('deadline-aborts-signal', async () => {
  const server = await fakeOrchestrator()
  const clock = createManualClock()
  const gated = gatedSkill()
  await runningWorker(server, { clock, skills: { gated: gated.skill } })
  const task = aTask({ type: 'gated', deadline: clock.now() / 1000 + 20 })
  server.enqueue(task)
  await until(() => gated.started.length === 1)
  clock.advance(19_000)
  await Promise.resolve()
  expect(gated.aborted.size).toBe(0)
  clock.advance(1_001)
  await until(() => gated.aborted.has(task.task_id))
  await until(() => server.accepted.length === 1)
  expect(server.accepted[0]).toMatchObject({ status: 'failure', error: { code: 'TRANSIENT_ERROR' } })
})

test('deadline-is-read-on-the-servers-clock', async () => {
  const server = await fakeOrchestrator()
  const gated = gatedSkill()
  // This machine's clock is ten minutes ahead: every deadline would seem to be over.
  const clock = createManualClock(Date.now() + 600_000)
  await runningWorker(server, { clock, skills: { gated: gated.skill } })
  const task = aTask({ type: 'gated', deadline: Date.now() / 1000 + 30 })
  server.enqueue(task)
  await until(() => gated.started.length === 1)
  clock.advance(25_000)
  await Promise.resolve()
  expect(gated.aborted.size).toBe(0)
  clock.advance(10_000)
  await until(() => gated.aborted.size === 1)
})

test('websocket-refused-is-not-fatal', async () => {
  const server = await fakeOrchestrator()
  server.rejectSockets(true)
  await runningWorker(server, { webSocket: true })
  const attempts = () => server.requests.filter(({ method }) => method === 'WS')
  await until(() => attempts().length > 2)
  server.enqueue(aTask())
  await until(() => server.accepted.length === 1)
  server.rejectSockets(false)
  await until(() => server.sockets.size === 1)
  expect(attempts().every(({ token, path }) => token === 'a-token' && !path.includes('a-token'))).toBe(true)
})

test('websocket-comes-back-after-a-lost-connection', async () => {
  const server = await fakeOrchestrator()
  const gated = gatedSkill()
  await runningWorker(server, { webSocket: true, skills: { gated: gated.skill } })
  await until(() => server.sockets.size === 1)
  const [socket] = server.sockets
  socket?.send('this is not a command')
  socket?.terminate()
  await until(() => server.sockets.size === 1 && !server.sockets.has(socket as never))
  const task = aTask({ type: 'gated' })
  server.enqueue(task)
  await until(() => gated.started.length === 1)
  server.command({ command: 'cancel_task', task_id: task.task_id, job_id: task.job_id })
  await until(() => gated.aborted.size === 1)
})
