/** Requests that don't arrive, on real sockets. Patience is short here; what is measured is only who is cut off, and who is not. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { silentLogger } from '@tutti/telemetry'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createStage, internalToken, type Running, type Stage } from './support/stage.ts'

/** Each claim and upload below lasts longer. */
const arrivalMs = 400
const logged: unknown[] = []

let stage: Stage
let backend: Running
beforeAll(async () => {
  stage = await createStage()
  const log = { ...silentLogger, error: (...said: unknown[]) => void logged.push(said) }
  backend = await stage.backend({ arrivalMs }, { log })
})
afterAll(() => stage.close())

const open = async (...pieces: string[]): Promise<Socket> => {
  const socket = connect(Number(new URL(backend.address).port), '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  for (const piece of pieces) socket.write(piece)
  return socket
}
const head = (path: string, length: number, ...more: string[]): string =>
  [`POST ${path} HTTP/1.1`, 'host: localhost', `content-length: ${length}`, ...more, '', ''].join('\r\n')
const json = 'content-type: application/json'

test.each([
  ['nothing at all', []],
  ['half a head', ['POST /api/v1/tasks HTTP/1.1\r\nhost: localhost\r\n']],
  ['half a body', [head('/api/v1/tasks', 1000, json), '{"prompt": "']],
  [
    'half a file',
    [head('/api/v1/attachments/upload', 1000, 'content-type: multipart/form-data; boundary=b'), '--b\r\n'],
  ],
])('whoever sends %s is told so and cut off', async (_, pieces) => {
  const answer = await text(await open(...pieces))
  expect(answer).toMatch(/^HTTP\/1.1 408 /)
  expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toMatchObject({
    code: 40800,
    data: { code: 'REQUEST_TIMEOUT' },
  })
  // That somebody stopped sending is no fault of the database.
  expect(logged).toEqual([])
})

test('whoever sends a byte now and then is cut off as well', async () => {
  const socket = await open(head('/api/v1/tasks', 1000, json), '{"prompt": "')
  const answer = text(socket)
  const dripping = setInterval(() => socket.write('x'), 20)
  onTestFinished(() => clearInterval(dripping))
  expect(await answer).toMatch(/^HTTP\/1.1 408 /)
})

test('the rest of a refused request does not hold its connection', async () => {
  const socket = await open(head('/api/v1/runs/claim', 1000, json), '{')
  const answer = await text(socket)
  expect(answer).toMatch(/^HTTP\/1.1 403 /)
})

test('an upload that goes on is taken, however long it takes', async () => {
  const content = 'x'.repeat(20_000)
  const form = `--b\r\ncontent-disposition: form-data; name="file"; filename="a.txt"\r\n\r\n${content}\r\n--b--\r\n`
  const more = ['content-type: multipart/form-data; boundary=b', 'connection: close']
  const socket = await open(head('/api/v1/attachments/upload', form.length, ...more))
  const answer = text(socket)
  for (let at = 0; at < form.length; at += 1_000) {
    socket.write(form.slice(at, at + 1_000))
    await pause(arrivalMs / 5)
  }
  expect(JSON.parse((await answer).split('\r\n\r\n')[1] ?? '')).toMatchObject({ data: { name: 'a.txt', size: 20_000 } })
})

test('what has arrived may wait: a poll is answered when its time is over, and a socket stays open', async () => {
  const socket = new WebSocket(`${backend.address.replace('http', 'ws')}/api/v1/ws/user`)
  await once(socket, 'open')
  const poll = { worker_id: 'm', boot_id: 'b', wait_seconds: 2 }
  const answer = await backend.post('/api/v1/runs/claim', poll, { 'x-internal-token': internalToken })
  expect(answer).toMatchObject({ status: 200, body: { data: null } })
  expect(socket.readyState).toBe(WebSocket.OPEN)
  const closed = once(socket, 'close')
  socket.close()
  await closed
})
