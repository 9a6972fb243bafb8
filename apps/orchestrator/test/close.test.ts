import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { createShrink, globalWorkerToken, startServer, tokens } from './support/server.ts'
import { openStream } from './support/sse.ts'

const parkedPolls = (count: number) => {
  const { promise, resolve } = Promise.withResolvers<void>()
  let parked = 0
  return {
    all: promise,
    park: () => {
      parked += 1
      if (parked === count) resolve()
    },
  }
}

test('close-with-parked-polls-does-not-hang: polls, streams and sockets end, and are answered', async () => {
  const polls = parkedPolls(3)
  const server = await startServer({
    engine: (engine) => ({
      ...engine,
      take: (request) => {
        polls.park()
        return engine.take(request)
      },
    }),
    // Were the close to rest on it, the test would run into its own limit.
    settings: { closeGraceMs: 2 ** 30 },
  })
  await server.worker('hand-2', ['nothing.ever'])
  const id = await createShrink(server)
  const stream = await openStream(server, id)
  await stream.next()
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/_worker/ws/hand-2`, {
    headers: { 'x-worker-token': globalWorkerToken },
  })
  await once(socket, 'open')
  const answers = [
    server.work('GET', '/workers/hand-2/tasks/next?timeout=300'),
    server.work('GET', '/workers/hand-2/tasks/next?timeout=300'),
    server.work('GET', '/workers/hand-2/tasks/next?timeout=300&max=5'),
  ]
  await polls.all

  await server.close()
  const [one, two, many] = await Promise.all(answers)
  expect([one?.status, two?.status]).toEqual([204, 204])
  expect(many?.body).toEqual({ tasks: [] })
  expect((await stream.rest()).every((event) => event.event !== 'job_finished')).toBe(true)
})

test('a reader that stopped reading is cut off when the grace is over', async () => {
  const server = await startServer({ settings: { closeGraceMs: 1 } })
  await server.worker('hand-2')
  const id = await createShrink(server)
  const task = (await server.work('GET', '/workers/hand-2/tasks/next')).body
  // More than the buffers of both ends hold.
  const message = 'x'.repeat(200_000)
  for (let n = 0; n < 100; n++)
    await server.engine.progress({ worker: 'hand-2', jobId: id, taskId: task.task_id, progress: 0.5, message })
  const deaf = connect(server.port, '127.0.0.1')
  deaf.on('error', () => {})
  deaf.write(`GET /api/v1/jobs/${id}/stream HTTP/1.1\r\nHost: x\r\nX-Client-Token: ${tokens.anna}\r\n\r\n`)
  await once(deaf, 'readable')
  deaf.pause()
  await server.close()
  deaf.destroy()
})

test('a connection on which nothing was asked does not hold up the close', async () => {
  const server = await startServer({ settings: { closeGraceMs: 2 ** 30 } })
  const silent = connect(server.port, '127.0.0.1')
  await once(silent, 'connect')
  // The server knows of it by the time it has answered somebody else.
  await server.call('GET', '/_public/status')
  const ended = once(silent, 'close')
  await server.close()
  await ended
})

test('what is under way when the close begins is answered, and its connection is not kept', async () => {
  const begun = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  const polls = parkedPolls(1)
  const server = await startServer({
    engine: (engine) => ({
      ...engine,
      jobs: async (query) => {
        begun.resolve()
        await goOn.promise
        return engine.jobs(query)
      },
      take: (request) => {
        polls.park()
        return engine.take(request)
      },
    }),
  })
  const agent = new Agent({ keepAlive: true, maxSockets: 2 })
  const get = (path: string): Promise<{ status: number | undefined; body: string; connection: string | undefined }> =>
    new Promise((resolve, reject) => {
      request({ port: server.port, host: '127.0.0.1', path, agent, headers: { 'x-client-token': tokens.anna } })
        .on('response', async (response) => {
          let body = ''
          for await (const chunk of response) body += chunk
          resolve({ status: response.statusCode, body, connection: response.headers.connection })
        })
        .on('error', reject)
        .end()
    })
  await server.worker('hand-2')
  const slow = get('/api/v1/jobs')
  await begun.promise
  // Its end tells that the close has begun.
  const poll = server.work('GET', '/workers/hand-2/tasks/next?timeout=300')
  await polls.all
  const closed = server.close()
  await poll
  goOn.resolve()
  const { status, connection } = await slow
  expect([status, connection]).toEqual([200, 'close'])
  await closed
  agent.destroy()
})
