/** The socket of a worker, as both generations open it. Its frames are in worker-events.test.ts. */
import { request } from 'node:http'
import { request as secureRequest } from 'node:https'
import { expect, test } from 'vitest'
import { openFleet } from './support/fleet.ts'
import { serveThisFile } from './support/server.ts'

serveThisFile()

const connect = (url: string, token: string): WebSocket =>
  new WebSocket(url.replace(/^http/, 'ws'), { headers: { 'x-worker-token': token } } as never)

const once = (socket: WebSocket, event: 'open' | 'close'): Promise<CloseEvent> =>
  new Promise((resolve) => socket.addEventListener(event, (what) => resolve(what as CloseEvent), { once: true }))

test('a second connection closes the first with 1008, and gets the commands from then on', async () => {
  const { url, globalToken, workerId, job, task, client } = await openFleet()
  const address = `${url}/_worker/ws/${workerId}`
  const first = connect(address, globalToken)
  await once(first, 'open')
  const closed = once(first, 'close')
  const second = connect(address, globalToken)
  await once(second, 'open')
  expect(await closed).toMatchObject({ code: 1008, reason: 'New connection established' })
  const command = new Promise<string>((resolve) => {
    second.addEventListener('message', ({ data }) => resolve(String(data)), { once: true })
  })
  const id = await job()
  const { task_id } = await task()
  await client('POST', `/jobs/${id}/cancel`)
  expect(JSON.parse(await command)).toEqual({ command: 'cancel_task', task_id, job_id: id })
  second.close()
})

test('what is no frame is passed over, and the connection stays', async () => {
  const { url, globalToken, workerId, job, task, read } = await openFleet()
  const id = await job()
  const { task_id } = await task()
  const socket = connect(`${url}/_worker/ws/${workerId}`, globalToken)
  await once(socket, 'open')
  for (const text of ['', '{', '[]', 'null', '{"event":"nobody_knows"}', '{"event":"progress_update","progress":"x"}'])
    socket.send(text)
  socket.send(JSON.stringify({ event: 'progress_update', job_id: id, task_id, progress: 0.75 }))
  while ((await read(id)).progress !== 0.75) await new Promise((resolve) => setImmediate(resolve))
  expect(socket.readyState).toBe(WebSocket.OPEN)
  socket.close()
})

test('who may not come in is told so before the upgrade', async () => {
  const { url, own, globalToken } = await openFleet()
  const upgrade = (token: string | undefined): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const open = url.startsWith('https') ? secureRequest : request
      const asked = open(`${url}/_worker/ws/${own.id}`, {
        headers: {
          connection: 'Upgrade',
          upgrade: 'websocket',
          'sec-websocket-version': '13',
          'sec-websocket-key': Buffer.from('0123456789abcdef').toString('base64'),
          ...(token === undefined ? {} : { 'x-worker-token': token }),
        },
      })
      asked.on('error', reject)
      asked.on('response', (answer) => {
        resolve(answer.statusCode)
        answer.destroy()
      })
      asked.on('upgrade', (answer, socket) => {
        resolve(answer.statusCode)
        socket.destroy()
      })
      asked.end()
    })
  expect([await upgrade(undefined), await upgrade('guessed'), await upgrade(globalToken)]).toEqual([401, 401, 401])
  expect(await upgrade(own.token)).toBe(101)
})
