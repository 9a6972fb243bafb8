/** What a task tells besides progress. */
import { expect, test } from 'vitest'
import { z } from 'zod'
import { skill } from '../src/index.ts'
import { aTask } from './support/fake-orchestrator.ts'
import { fakeOrchestrator, runningWorker, until } from './support/setup.ts'

const failureOf = (result: { error?: unknown } | undefined) => result?.error as { code: string; message: string }

test('an event whose answer is lost is sent again under its id, before the next one and before the result', async () => {
  const server = await fakeOrchestrator()
  server.fail('POST', /events$/, 'drop-answer')
  const tell = skill({
    run: async (_params, task) => {
      // Nobody waits for them.
      void task.sendEvent('first', { n: 1 })
      void task.sendEvent('second')
    },
  })
  await runningWorker(server, { skills: { tell } })
  const task = aTask({ type: 'tell' })
  server.enqueue(task)
  await until(() => server.accepted.length === 1)
  expect(server.events.map(({ event_type }) => event_type)).toEqual(['first', 'first', 'second'])
  const [first, again] = server.events
  expect(again).toEqual(first)
  expect(first).toMatchObject({ target_job_id: task.job_id, target_task_id: task.task_id, payload: { n: 1 } })
  const paths = server.requests.map(({ path }) => path)
  expect(paths.lastIndexOf('/_worker/events')).toBeLessThan(paths.indexOf('/_worker/tasks/results'))
})

test.each([
  ['as declared', 'found', { at: 3 }, undefined],
  ['with another payload', 'found', { at: 'x' }, /^The event found: payload\.at: /],
  ['that the skill does not declare', 'lost', {}, /^The event lost: the skill declares no such event/],
])('an event %s, and what becomes of its task', async (_what, type, payload, fault) => {
  const server = await fakeOrchestrator()
  const tell = skill({
    events: { found: z.object({ at: z.number() }) },
    run: async (_params, task) => await task.sendEvent(type, payload),
  })
  await runningWorker(server, { skills: { tell } })
  server.enqueue(aTask({ type: 'tell' }))
  await until(() => server.accepted.length === 1)
  const [result] = server.accepted
  expect(result?.status).toBe(fault ? 'failure' : 'success')
  expect(server.events).toHaveLength(fault ? 0 : 1)
  if (fault)
    expect(failureOf(result)).toEqual({ code: 'CONTRACT_VIOLATION_ERROR', message: expect.stringMatching(fault) })
})

test('where events are not strict, one that is not as declared is sent all the same', async () => {
  const server = await fakeOrchestrator()
  const tell = skill({ events: {}, run: (_params, task) => task.sendEvent('own') })
  await runningWorker(server, { skills: { tell }, strictEvents: false })
  server.enqueue(aTask({ type: 'tell' }))
  await until(() => server.accepted.length === 1)
  expect([server.accepted[0]?.status, server.events.length]).toEqual(['success', 1])
})

test('an event that is refused fails the task that waits for it, and is not sent again', async () => {
  const server = await fakeOrchestrator()
  server.fail('POST', /events$/, { status: 400 }, 10)
  const tell = skill({ run: (_params, task) => task.sendEvent('own') })
  await runningWorker(server, { skills: { tell } })
  server.enqueue(aTask({ type: 'tell' }))
  await until(() => server.accepted.length === 1)
  expect(failureOf(server.accepted[0]).message).toContain('answered 400')
  expect(server.requests.filter(({ path }) => path.endsWith('/events'))).toHaveLength(1)
})

test('a skill without a schema gets its params as they came', async () => {
  const server = await fakeOrchestrator()
  await runningWorker(server, { skills: { plain: skill({ run: (params) => params }) } })
  server.enqueue(aTask({ type: 'plain', params: { any: ['thing', null] } }))
  await until(() => server.accepted.length === 1)
  expect(server.accepted[0]?.data).toEqual({ any: ['thing', null] })
})
