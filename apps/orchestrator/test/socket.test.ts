import { once } from 'node:events'
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { createShrink, globalWorkerToken, startServer, type TestServer, until } from './support/server.ts'

const open = async (server: TestServer, worker: string): Promise<WebSocket> => {
  const socket = dial(server, worker)
  await once(socket, 'open')
  return socket
}

const dial = (server: TestServer, worker: string, token: string | undefined = globalWorkerToken): WebSocket =>
  new WebSocket(`ws://127.0.0.1:${server.port}/_worker/ws/${worker}`, {
    headers: token === undefined ? {} : { 'x-worker-token': token },
  })

const takeShrink = async (server: TestServer) => {
  await server.worker('hand-2')
  const id = await createShrink(server)
  return { id, task: (await server.work('GET', '/workers/hand-2/tasks/next')).body }
}

test('second-websocket-replaces-the-first, and the end of the first leaves the second alone', async () => {
  const server = await startServer()
  const { id, task } = await takeShrink(server)
  const first = await open(server, 'hand-2')
  const firstClosed = once(first, 'close')
  const second = await open(server, 'hand-2')
  const [code, reason] = await firstClosed
  expect([code, String(reason)]).toEqual([1008, 'New connection established'])

  const message = once(second, 'message')
  await server.call('POST', `/api/v1/jobs/${id}/cancel`)
  const [frame] = await message
  expect(JSON.parse(String(frame))).toEqual({ command: 'cancel_task', task_id: task.task_id, job_id: id })
  second.close()
})

test('progress comes in by the socket; what is no frame does no harm', async () => {
  const server = await startServer()
  const { id, task } = await takeShrink(server)
  const socket = await open(server, 'hand-2')
  socket.send('{not json')
  socket.send(JSON.stringify({ event: 'something_else' }))
  socket.send(JSON.stringify({ event: 'progress_update', job_id: id, task_id: task.task_id, progress: 0.25 }))
  await until(async () => (await server.call('GET', `/api/v1/jobs/${id}`)).body.progress === 0.25)
  expect(socket.readyState).toBe(WebSocket.OPEN)
  socket.close()
})

test('who may not come in is told so before the upgrade', async () => {
  const server = await startServer()
  const refusal = async (socket: WebSocket): Promise<number | undefined> => {
    socket.on('error', () => {})
    const [, response] = await once(socket, 'unexpected-response')
    socket.terminate()
    return response.statusCode
  }
  expect(await refusal(dial(server, 'hand-2', 'guessed'))).toBe(401)
  expect(await refusal(dial(server, 'hand-1'))).toBe(401)
  expect(await refusal(dial(server, 'no%20spaces'))).toBe(400)
})

test('a socket that answers no ping is dropped', async () => {
  const server = await startServer({ settings: { socketPingMs: 5 } })
  const dead = dial(server, 'hand-2')
  await once(dead, 'open')
  // It reads nothing any more, and so answers nothing.
  dead.pause()
  await until(async () => server.app.websocketServer.clients.size === 0)
  dead.terminate()
})

test('closing says goodbye with 1001', async () => {
  const server = await startServer()
  const socket = await open(server, 'hand-2')
  const closed = once(socket, 'close')
  await server.close()
  const [code, reason] = await closed
  expect([code, String(reason)]).toEqual([1001, 'Server shutdown'])
})
