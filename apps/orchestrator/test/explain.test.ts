/** "My task is waiting: why?" */
import { blueprint, task } from '@tutti/engine'
import { expect, test } from 'vitest'
import { createShrink, startServer, tokens } from './support/server.ts'

test('a task that nobody can take: each worker with its reason', async () => {
  const gpu = blueprint({ name: 'gpu' })
    .state('ask', { start: true, to: ['done'] }, ({ dispatch }) =>
      dispatch('render', {}, { on: { success: 'done' }, needs: { labels: { region: 'north' } } }),
    )
    .end('done')
  const server = await startServer({ blueprints: [gpu] })
  await server.worker('sweeper', ['floor.sweep'])
  await server.worker('renderer', ['render'])
  const { body } = await server.call('POST', '/api/v1/jobs', { blueprint: 'gpu', input: {} })
  const { body: told } = await server.call('GET', `/api/v1/jobs/${body.job_id}/explain`)
  expect(told).toMatchObject({
    job_id: body.job_id,
    status: 'waiting_for_worker',
    because: expect.stringMatching(/^It waits for the task \S+ of the skill render, try 1 of \d+\.$/),
    tasks: [
      {
        skill: 'render',
        needs: { labels: { region: 'north' } },
        worker_id: null,
        possible: false,
        rate_limited: false,
        queue: { waiting: 1, leased: 0 },
        workers: [
          { worker_id: 'renderer', why_not: expect.stringContaining('region') },
          { worker_id: 'sweeper', why_not: 'does not offer the skill render' },
        ],
      },
    ],
  })
})

test('a task in a worker’s hands: whose', async () => {
  const server = await startServer()
  const id = await createShrink(server)
  await server.worker('hand-2')
  const why = async () => (await server.call('GET', `/api/v1/jobs/${id}/explain`)).body.tasks[0]
  expect(await why()).toMatchObject({ possible: true, worker_id: null, queue: { waiting: 1, leased: 0 } })
  await server.work('GET', '/workers/hand-2/tasks/next?timeout=5')
  expect(await why()).toMatchObject({ worker_id: 'hand-2', queue: { waiting: 0, leased: 1 } })
})

test('many tasks: those that are open; what is over and what is held back is not', async () => {
  const wide = blueprint({ name: 'wide' })
    .state('begin', { start: true, to: ['done'] }, ({ parallel }) =>
      parallel(
        [1, 2, 3].map((room) => task('floor.sweep', { room })),
        { into: 'done', concurrency: 2 },
      ),
    )
    .end('done')
  const server = await startServer({ blueprints: [wide] })
  const { body } = await server.call('POST', '/api/v1/jobs', { blueprint: 'wide', input: {} })
  const { body: told } = await server.call('GET', `/api/v1/jobs/${body.job_id}/explain`)
  expect(told.because).toBe('It waits for 3 tasks, of which 0 are over.')
  expect(told.tasks).toHaveLength(2)
})

test('a job that waits for something else, is paused, or has ended says so', async () => {
  const server = await startServer()
  const create = async (name: string) =>
    (await server.call('POST', '/api/v1/jobs', { blueprint: name, input: {} })).body.job_id
  const why = async (id: string) => (await server.call('GET', `/api/v1/jobs/${id}/explain`)).body
  const id = await create('publish')
  expect(await why(id)).toMatchObject({ because: 'It waits for a person: Shall it go out?', tasks: [] })
  await server.call('PATCH', `/api/v1/jobs/${id}`, { paused: true })
  expect(await why(id)).toMatchObject({ status: 'paused', because: expect.stringMatching(/^It is paused/) })
  expect(await why(await create('nothing'))).toMatchObject({ because: 'It has ended: finished.', tasks: [] })
})

test('a stranger’s job is not explained', async () => {
  const server = await startServer()
  const id = await createShrink(server)
  const { status } = await server.call('GET', `/api/v1/jobs/${id}/explain`, undefined, {
    'x-avtomatika-token': tokens.otto,
  })
  expect(status).toBe(404)
})
