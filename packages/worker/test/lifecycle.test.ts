import { expect, test } from 'vitest'
import { WorkerRejectedError } from '../src/index.ts'
import { aTask, startFakeOrchestrator } from './support/fake-orchestrator.ts'
import { fakeOrchestrator, gatedSkill, newWorker, runningWorker, until } from './support/setup.ts'

test('registers with its skills and a boot id that is new for every worker', async () => {
  const server = await fakeOrchestrator()
  await runningWorker(server, { concurrency: 4, type: 'gpu', describe: { resources: { cpu_cores: 2 } } })
  await runningWorker(server, { concurrency: 4 })
  const [first, second] = server.registrations
  expect(first).toMatchObject({
    worker_id: 'worker-1',
    worker_type: 'gpu',
    supported_skills: ['echo'],
    max_concurrent_tasks: 4,
    resources: { cpu_cores: 2 },
  })
  expect(first?.boot_id).toBeTruthy()
  expect(first?.boot_id).not.toBe(second?.boot_id)
  expect(server.requests.every(({ token }) => token === 'a-token')).toBe(true)
})

test('registration-is-retried-until-the-server-is-there', async () => {
  const reserved = await startFakeOrchestrator()
  await reserved.close()
  const worker = newWorker(reserved)
  const starting = worker.start()
  const server = await fakeOrchestrator({ port: reserved.port })
  server.fail('POST', /register$/, { status: 503 }, 3)
  await starting
  expect(server.registrations).toHaveLength(1)
})

test('forgotten-worker-registers-again-as-the-same-process', async () => {
  const server = await fakeOrchestrator({ heartbeatSeconds: 0.005 })
  const gated = gatedSkill()
  await runningWorker(server, { skills: { gated: gated.skill } })
  const task = aTask({ type: 'gated' })
  server.enqueue(task)
  await until(() => gated.started.length === 1)
  server.forgetWorkers()
  await until(() => server.registrations.length === 2)
  expect(server.registrations[1]?.boot_id).toBe(server.registrations[0]?.boot_id)
  gated.release(task.task_id)
  await until(() => server.accepted.length === 1)
})

test('result-to-a-server-that-forgot-the-worker-is-kept', async () => {
  const server = await fakeOrchestrator()
  const gated = gatedSkill()
  await runningWorker(server, { concurrency: 1, skills: { gated: gated.skill } })
  const task = aTask({ type: 'gated' })
  server.enqueue(task)
  await until(() => gated.started.length === 1)
  server.forgetWorkers()
  gated.release(task.task_id)
  await until(() => server.accepted.length === 1)
  expect(server.registrations).toHaveLength(2)
})

test.each([401, 403, 400])('registration-refused-is-final: %i', async (status) => {
  const server = await fakeOrchestrator()
  server.fail('POST', /register$/, { status, body: { error: 'Unauthorized: no valid token found' } })
  const worker = newWorker(server)
  const error = await worker.start().catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(WorkerRejectedError)
  expect(error).toMatchObject({ status, message: expect.stringContaining(status === 401 ? 'WORKER_TOKEN' : 'refuses') })
  await expect(worker.done).rejects.toBe(error)
  expect(server.requests).toHaveLength(1)
})

test('token-revoked-while-working-ends-the-worker', async () => {
  const server = await fakeOrchestrator({ heartbeatSeconds: 0.005 })
  const gated = gatedSkill()
  const worker = await runningWorker(server, { skills: { gated: gated.skill } })
  const task = aTask({ type: 'gated' })
  server.enqueue(task)
  await until(() => gated.started.length === 1)
  server.fail('PATCH', /workers/, { status: 401 })
  await expect(worker.done).rejects.toThrow('WORKER_TOKEN')
  expect(gated.aborted.has(task.task_id)).toBe(true)
})

test('drain-finishes-running-tasks', async () => {
  const server = await fakeOrchestrator({ heartbeatSeconds: 0.005 })
  const gated = gatedSkill()
  const worker = await runningWorker(server, { concurrency: 3, skills: { gated: gated.skill } })
  const tasks = [aTask({ type: 'gated' }), aTask({ type: 'gated' })]
  server.enqueue(...tasks)
  await until(() => gated.started.length === 2 && server.parkedPolls() === 1)
  let drained = false
  const draining = worker.drain().then(() => {
    drained = true
  })
  await until(() => server.parkedPolls() === 0)
  server.enqueue(aTask({ type: 'gated' }))
  await until(() => server.heartbeats.at(-1)?.status === 'draining')
  // Leases of what still runs are kept alive.
  expect(server.heartbeats.at(-1)?.current_tasks).toEqual(tasks.map(({ task_id }) => task_id))
  expect(drained).toBe(false)
  for (const { task_id } of tasks) gated.release(task_id)
  await draining
  expect(server.accepted.map(({ status }) => status)).toEqual(['success', 'success'])
  expect(server.batches.map(({ next }) => next)).toEqual(server.batches.map(() => 0))
  expect(gated.started).toHaveLength(2)
})

test('drain-delivers-results-although-the-server-is-away', async () => {
  const server = await fakeOrchestrator()
  const worker = await runningWorker(server)
  server.fail('POST', /results$/, 'drop', 5)
  server.enqueue(aTask())
  await until(() => server.requests.some(({ path }) => path.endsWith('/results')))
  await worker.drain()
  expect(server.accepted).toHaveLength(1)
})

test('drain-keeps-the-tasks-that-arrive-with-a-last-answer', async () => {
  const server = await fakeOrchestrator()
  const headers = Promise.withResolvers<void>()
  const body = Promise.withResolvers<void>()
  const worker = newWorker(server, {
    fetch: async (input, init) => {
      const response = await fetch(input, init)
      if (!String(input).includes('/tasks/next') || response.status === 204) return response
      const text = response.text.bind(response)
      return Object.assign(response, {
        text: async () => {
          headers.resolve()
          await body.promise
          return await text()
        },
      })
    },
  })
  await worker.start()
  server.enqueue(aTask({ params: { late: true } }))
  await headers.promise
  const draining = worker.drain()
  body.resolve()
  await draining
  expect(server.accepted.map(({ data }) => data)).toEqual([{ late: true }])
})

test('drain-before-the-server-was-ever-there-ends', async () => {
  const gone = await startFakeOrchestrator()
  await gone.close()
  const worker = newWorker(gone)
  void worker.start()
  await worker.drain()
})

test('stop-aborts-what-runs-and-reports-nothing', async () => {
  const server = await fakeOrchestrator()
  const gated = gatedSkill()
  const worker = await runningWorker(server, { webSocket: true, skills: { gated: gated.skill } })
  server.enqueue(aTask({ type: 'gated' }), aTask({ type: 'gated' }))
  await until(() => gated.started.length === 2 && server.sockets.size === 1)
  await worker.stop()
  expect(gated.aborted.size).toBe(2)
  await until(() => server.sockets.size === 0 && server.parkedPolls() === 0)
  expect(server.batches).toEqual([])
})

test('stop-while-draining-does-not-wait-for-a-stuck-task', async () => {
  const server = await fakeOrchestrator()
  const gated = gatedSkill()
  const worker = await runningWorker(server, { skills: { gated: gated.skill } })
  server.enqueue(aTask({ type: 'gated' }))
  await until(() => gated.started.length === 1)
  const draining = worker.drain()
  await worker.stop()
  await draining
})

test('an address that is none is told at once', () => {
  expect(() => newWorker({ url: 'localhost:8080' })).toThrow('http')
})
