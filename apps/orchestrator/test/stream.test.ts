import { expect, test } from 'vitest'
import { createShrink, startServer, type TestServer, until } from './support/server.ts'
import { openStream } from './support/sse.ts'

const finish = async (server: TestServer): Promise<void> => {
  const { job_id, task_id, lease_token } = (await server.work('GET', '/workers/hand-2/tasks/next')).body
  await server.work('POST', '/tasks/result', { job_id, task_id, lease_token, worker_id: 'hand-2', data: { bytes: 1 } })
}

const progress = async (server: TestServer, job_id: string, task_id: string, value: number): Promise<void> => {
  await server.work('POST', '/events', {
    event: 'progress_update',
    worker_id: 'hand-2',
    job_id,
    task_id,
    progress: value,
  })
}

const history = async (server: TestServer, id: string) => (await server.call('GET', `/api/v1/jobs/${id}/history`)).body

test('stream-resumes-without-gap: what was written while the reader was away comes first', async () => {
  const server = await startServer()
  await server.worker('hand-2')
  const id = await createShrink(server)
  const { task_id } = (await server.work('GET', '/workers/hand-2/tasks/next')).body
  const [first] = await history(server, id)

  const before = await openStream(server, id)
  const seen = [await before.next()]
  expect(seen[0]).toEqual({ id: '1', event: first.event_type, data: first })
  before.drop()

  for (const value of [0.1, 0.2, 0.3]) await progress(server, id, task_id, value)
  const after = await openStream(server, id, { lastEventId: seen[0]?.id ?? '' })
  const log = await history(server, id)
  for (const line of log.slice(1)) expect((await after.next())?.data).toEqual(line)

  // And what is written while it is read: one line at a time, each seen before the next is made.
  for (const value of [0.4, 0.5]) {
    await progress(server, id, task_id, value)
    expect((await after.next())?.event).toBe('progress')
  }
  await server.call('POST', `/api/v1/jobs/${id}/cancel`)
  const rest = await after.rest()
  const whole = await history(server, id)
  expect(rest.at(-1)?.data).toEqual(whole.at(-1))
  expect(rest.at(-1)?.event).toBe('job_cancelled')
})

test('a line that is written between the reading and the waiting is not missed', async () => {
  const server = await startServer({
    engine: (engine) => {
      let reads = 0
      return {
        ...engine,
        events: async (...args) => {
          const events = await engine.events(...args)
          reads += 1
          // The page is made, and is stale before it arrives.
          if (reads === 1) await engine.cancel(args[0], null, 'test', null)
          return events
        },
      }
    },
    settings: { streamHeartbeatMs: 2 ** 30 },
  })
  const id = await createShrink(server)
  const stream = await openStream(server, id)
  expect((await stream.rest()).at(-1)?.event).toBe('job_cancelled')
})

test('the stream of a job that has ended is its log; who has that already gets 204', async () => {
  const server = await startServer()
  await server.worker('hand-2')
  const id = await createShrink(server)
  await finish(server)
  const log = await history(server, id)
  const whole = await (await openStream(server, id)).rest()
  expect(whole.map(({ data }) => data)).toEqual(log)
  expect(whole.map((event) => Number(event.id))).toEqual(log.map((_: unknown, at: number) => at + 1))
  expect((await openStream(server, id, { since: log.length })).response.status).toBe(204)
  const tail = await (await openStream(server, id, { since: log.length - 1 })).rest()
  expect(tail.map(({ data }) => data)).toEqual(log.slice(-1))
})

test('a quiet stream shows that it lives', async () => {
  const server = await startServer({ settings: { streamHeartbeatMs: 1 } })
  const id = await createShrink(server)
  const { response, drop } = await openStream(server, id)
  expect(response.headers.get('content-type')).toContain('text/event-stream')
  const reader = response.body?.getReader()
  let text = ''
  while (!text.includes(': still here\n\n')) text += new TextDecoder().decode((await reader?.read())?.value)
  drop()
})

test('a reader that has gone is no longer watched for', async () => {
  let watching = 0
  const server = await startServer({
    engine: (engine) => ({
      ...engine,
      watch: (...args) => {
        const unwatch = engine.watch(...args)
        watching += 1
        return () => {
          watching -= 1
          unwatch()
        }
      },
    }),
  })
  const id = await createShrink(server)
  const stream = await openStream(server, id)
  await stream.next()
  expect(watching).toBe(1)
  stream.drop()
  await until(async () => watching === 0)
})

test('a log longer than a page comes whole', async () => {
  const server = await startServer()
  await server.worker('hand-2')
  const id = await createShrink(server)
  const { task_id } = (await server.work('GET', '/workers/hand-2/tasks/next')).body
  for (let n = 0; n < 1100; n++)
    await server.engine.progress({ worker: 'hand-2', jobId: id, taskId: task_id, progress: 0.5, message: null })
  await server.call('POST', `/api/v1/jobs/${id}/cancel`)
  const events = await (await openStream(server, id)).rest()
  expect(events.map((event) => Number(event.id))).toEqual(Array.from({ length: events.length }, (_, at) => at + 1))
  expect(events.length).toBeGreaterThan(1100)
})
