import fc from 'fast-check'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { skill } from '../src/index.ts'
import { aTask, startFakeOrchestrator } from './support/fake-orchestrator.ts'
import { createManualClock } from './support/manual-clock.ts'
import { echo, fakeOrchestrator, gatedSkill, newWorker, runningWorker, until } from './support/setup.ts'

test('a poll asks for as many tasks as there are free slots', async () => {
  const server = await fakeOrchestrator()
  const gated = gatedSkill()
  await runningWorker(server, { concurrency: 3, skills: { gated: gated.skill } })
  server.enqueue(aTask({ type: 'gated' }))
  await until(() => server.polls.length === 2)
  server.enqueue(aTask({ type: 'gated' }))
  await until(() => server.polls.length === 3)
  expect(server.polls).toEqual([3, 2, 1])
})

test('a result brings the next tasks, without a poll in between', async () => {
  const server = await fakeOrchestrator()
  await runningWorker(server, { concurrency: 1 })
  await until(() => server.parkedPolls() === 1)
  server.enqueue(...Array.from({ length: 10 }, () => aTask()))
  await until(() => server.accepted.length === 10)
  await until(() => server.parkedPolls() === 1)
  expect(server.polls).toHaveLength(2)
  expect(server.batches.map(({ next }) => next)).toEqual(Array(10).fill(1))
})

test('never-more-tasks-than-slots-whatever-arrives-and-breaks', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.record({ tasks: fc.integer({ min: 1, max: 6 }), fault: fc.constantFrom('none', 'poll', 'result') }), {
        minLength: 1,
        maxLength: 5,
      }),
      async (concurrency, steps) => {
        const server = await startFakeOrchestrator()
        let running = 0
        let most = 0
        const work = skill({
          params: z.looseObject({}),
          run: async () => {
            running += 1
            most = Math.max(most, running)
            await new Promise((resolve) => setImmediate(resolve))
            running -= 1
          },
        })
        const worker = newWorker(server, { concurrency, skills: { work } })
        await worker.start()
        let sent = 0
        for (const { tasks, fault } of steps) {
          // Before it takes effect: a lost hand-out would need a lease to end, which another test has.
          if (fault === 'poll') server.fail('GET', /next$/, 'drop')
          if (fault === 'result') server.fail('POST', /results$/, 'drop')
          sent += tasks
          server.enqueue(...Array.from({ length: tasks }, () => aTask({ type: 'work' })))
          await new Promise((resolve) => setImmediate(resolve))
        }
        await until(() => server.accepted.length === sent)
        await worker.stop()
        await server.close()
        expect(server.unexpected).toEqual([])
        expect(most).toBeLessThanOrEqual(concurrency)
        expect(server.answers.every(({ status }) => status === 'accepted')).toBe(true)
      },
    ),
    { numRuns: 25 },
  )
})

test('poll-dropped-after-task-was-chosen', async () => {
  const server = await fakeOrchestrator({ heartbeatSeconds: 0.005 })
  const task = aTask({ params: { found: true } })
  server.fail('GET', /next$/, 'drop-answer')
  await runningWorker(server)
  await until(() => server.polls.length === 1)
  server.enqueue(task)
  await until(() => server.polls.length === 2)
  expect(server.leased.has(task.task_id)).toBe(true)
  // The worker doesn't know of the task, so it must not keep its lease alive.
  const beats = server.heartbeats.length
  await until(() => server.heartbeats.length > beats + 1)
  expect(server.heartbeats.at(-1)?.current_tasks).toEqual([])
  server.expireLease(task.task_id)
  await until(() => server.accepted.length === 1)
  expect(server.accepted[0]).toMatchObject({ task_id: task.task_id, attempt: 2, data: { found: true } })
})

test('poll-that-is-never-answered-is-given-up', async () => {
  const server = await fakeOrchestrator()
  const clock = createManualClock()
  server.fail('GET', /next$/, 'hang')
  await runningWorker(server, { clock, pollSeconds: 30 })
  await until(() => server.requests.some(({ path }) => path.endsWith('/next')))
  expect(clock.sleeping()).toContain(40_000)
  clock.advance(40_000)
  await until(() => clock.sleeping().some((ms) => ms <= 5))
  clock.advance(5)
  await until(() => server.parkedPolls() === 1)
})

test('polls-that-are-not-held-do-not-become-a-storm', async () => {
  const server = await fakeOrchestrator()
  const clock = createManualClock()
  server.fail('GET', /next$/, { status: 204 }, 1_000_000)
  const worker = newWorker(server, { clock, fetch: noContentFetch })
  await worker.start()
  for (let round = 0; round < 15; round += 1) {
    await until(() => pauses(clock.sleeping()).length === 1)
    clock.advance(pauses(clock.sleeping())[0] ?? 0)
  }
  await until(() => pauses(clock.sleeping()).length === 1)
  expect(pauses(clock.sleeping())[0]).toBeGreaterThanOrEqual(2_500)
})

test('same-task-comes-again-while-its-older-attempt-runs', async () => {
  const server = await fakeOrchestrator()
  const gated = gatedSkill()
  await runningWorker(server, { skills: { gated: gated.skill } })
  const task = aTask({ type: 'gated' })
  server.enqueue(task)
  await until(() => gated.started.length === 1)
  server.expireLease(task.task_id)
  await until(() => gated.started.length === 2)
  expect(gated.aborted.has(task.task_id)).toBe(true)
  gated.release(task.task_id)
  await until(() => server.accepted.length === 1)
  expect(server.accepted[0]).toMatchObject({ attempt: 2, status: 'success' })
  expect(server.answers).toHaveLength(1)
})

test('a skill has no more tasks at a time than its own limit', async () => {
  const server = await fakeOrchestrator()
  const gated = gatedSkill()
  await runningWorker(server, { concurrency: 5, skills: { gated: gated.skill, echo }, perSkill: { gated: 1 } })
  const [first, second, third] = [aTask({ type: 'gated' }), aTask({ type: 'gated' }), aTask({ type: 'gated' })]
  server.enqueue(first, second, third, aTask())
  await until(() => server.accepted.length === 1)
  expect(gated.started).toEqual([first.task_id])
  gated.release(first.task_id)
  await until(() => gated.started.length === 2)
  expect(gated.started).toEqual([first.task_id, second.task_id])
  gated.release(second.task_id)
  await until(() => gated.started.length === 3)
  gated.release(third.task_id)
  await until(() => server.accepted.length === 4)
})

test('cancel-while-waiting-for-its-turn-frees-the-slot', async () => {
  const server = await fakeOrchestrator()
  const gated = gatedSkill()
  await runningWorker(server, {
    webSocket: true,
    concurrency: 2,
    skills: { gated: gated.skill },
    perSkill: { gated: 1 },
  })
  const [first, second, third] = [aTask({ type: 'gated' }), aTask({ type: 'gated' }), aTask({ type: 'gated' })]
  server.enqueue(first, second)
  await until(() => gated.started.length === 1 && server.leased.size === 2 && server.sockets.size === 1)
  server.command({ command: 'cancel_task', task_id: second.task_id, job_id: second.job_id })
  await until(() => server.accepted.length === 1)
  expect(server.accepted[0]).toMatchObject({ task_id: second.task_id, status: 'cancelled' })
  server.enqueue(third)
  await until(() => server.leased.has(third.task_id))
  gated.release(first.task_id)
  await until(() => gated.started.length === 2)
  expect(gated.started).toEqual([first.task_id, third.task_id])
})

const pauses = (sleeping: number[]) => sleeping.filter((ms) => ms <= 5_000)

/** As a proxy would: polls are answered at once and empty. */
const noContentFetch: typeof fetch = (input, init) =>
  String(input).includes('/tasks/next') ? Promise.resolve(new Response(null, { status: 204 })) : fetch(input, init)
