/** What a worker tells of its condition: room, warmth. */
import { expect, test } from 'vitest'
import { z } from 'zod'
import { skill } from '../src/index.ts'
import { aTask } from './support/fake-orchestrator.ts'
import { echo, fakeOrchestrator, runningWorker, until } from './support/setup.ts'

test('no-room-for-a-skill: it is neither polled for nor offered', async () => {
  const server = await fakeOrchestrator({ heartbeatSeconds: 0.02 })
  let room = ['first']
  await runningWorker(server, { skills: { first: echo, second: echo }, hasRoom: (name) => room.includes(name) })
  await until(() => server.heartbeats.length > 0)
  expect(server.heartbeats.at(-1)?.available_skills).toEqual(['first'])
  await until(() => server.parkedPolls() === 1)
  expect(server.pollSkills).toEqual(['first'])

  room = ['second', 'first']
  server.enqueue(aTask({ type: 'first' }))
  await until(() => server.pollSkills.length === 2 && server.accepted.length === 1)
  expect(server.pollSkills[1]).toBe('first,second')
  // A result could not say for which skills there is room.
  expect(server.batches.map(({ next }) => next)).toEqual([0])

  room = []
  server.enqueue(aTask({ type: 'first' }))
  await until(() => server.accepted.length === 2)
  const polls = server.polls.length
  await until(() => server.heartbeats.at(-1)?.available_skills?.length === 0)
  expect(server.polls.length).toBe(polls)
  room = ['first']
  await until(() => server.polls.length > polls)
})

test('a skill is warm when all that it wants is warm, and that is told at once', async () => {
  const server = await fakeOrchestrator({ heartbeatSeconds: 60 })
  const paint = skill({
    params: z.object({}),
    warmWith: ['canvas', 'colours'],
    run: (_, task) => task.hot.add('colours'),
  })
  const worker = await runningWorker(server, { skills: { paint, echo } })
  worker.hot.add('canvas')
  await until(() => server.heartbeats.length === 1)
  expect(server.heartbeats[0]).toMatchObject({ hot_skills: [], hot_cache: ['canvas'] })
  server.enqueue(aTask({ type: 'paint' }))
  await until(() => server.heartbeats.length === 2)
  expect(server.heartbeats[1]).toMatchObject({ hot_skills: ['paint'], hot_cache: ['canvas', 'colours'] })
  worker.hot.remove('canvas')
  worker.hot.remove('canvas')
  await until(() => server.heartbeats.length === 3)
  expect(server.heartbeats[2]).toMatchObject({ hot_skills: [], hot_cache: ['colours'] })
})

test('too-many-heartbeats: the next one waits as long as it is told to', async () => {
  const server = await fakeOrchestrator({ heartbeatSeconds: 0.01 })
  server.fail('PATCH', /worker-1$/, { status: 429, headers: { 'retry-after': '3600' } })
  await runningWorker(server)
  await until(() => server.requests.some(({ method }) => method === 'PATCH'))
  for (let n = 0; n < 20; n++) {
    server.enqueue(aTask())
    await until(() => server.accepted.length === n + 1)
  }
  expect(server.requests.filter(({ method }) => method === 'PATCH')).toHaveLength(1)
})
