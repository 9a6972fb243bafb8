/** How a request to the backend ends, and what is made of an answer that is none. */
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { createPost, type Post } from '../src/backend/post.ts'

let server: Server
const connections = { made: 0 }

const answering = async (listener: RequestListener): Promise<Post> => {
  connections.made = 0
  server = createServer((incoming, response) => {
    incoming.resume().on('end', () => listener(incoming, response))
  })
  server.on('connection', () => {
    connections.made += 1
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return createPost(`http://127.0.0.1:${(server.address() as AddressInfo).port}/base/`, { 'x-token': 'secret' })
}
afterEach(() => {
  server.closeAllConnections()
  server.close()
})

test('one-connection-serves-many-requests-and-each-carries-the-token', async () => {
  const seen: unknown[] = []
  const post = await answering((incoming, response) => {
    seen.push([incoming.url, incoming.headers['x-token'], incoming.headers['content-type']])
    response.end('{"answer":"é"}')
  })
  for (let n = 0; n < 3; n += 1) expect(await post('a', { n }, 10_000)).toEqual({ status: 200, text: '{"answer":"é"}' })
  expect(seen).toEqual(Array.from({ length: 3 }, () => ['/base/a', 'secret', 'application/json']))
  expect(connections.made).toBe(1)
})

test('a-redirect-is-not-followed-with-the-token', async () => {
  let asked = 0
  const post = await answering((_incoming, response) => {
    asked += 1
    response.writeHead(307, { location: '/base/elsewhere' }).end()
  })
  expect(await post('a', {}, 10_000)).toEqual({ status: 307, text: '' })
  expect(asked).toBe(1)
})

test('half-an-answer-is-none', async () => {
  const post = await answering((_incoming, response) => {
    response.writeHead(200, { 'content-length': '1000' })
    response.write('{"data":', () => response.destroy())
  })
  await expect(post('a', {}, 10_000)).rejects.toThrow()
})

test('one-that-stays-silent-is-given-up-also-in-the-middle-of-its-answer', async () => {
  const silent = await answering(() => {})
  await expect(silent('a', {}, 30)).rejects.toThrow('no answer within 30 ms')
  server.close()
  const slow = await answering((_incoming, response) => {
    response.writeHead(200, { 'content-length': '1000' }).write('{')
  })
  await expect(slow('a', {}, 100)).rejects.toThrow()
})

test('a-request-ends-with-its-signal', async () => {
  const post = await answering(() => {})
  const over = new AbortController()
  const asked = post('a', {}, 10_000, over.signal)
  await once(server, 'request')
  over.abort(new Error('the lease is over'))
  await expect(asked).rejects.toThrow()
  await expect(post('a', {}, 10_000, over.signal)).rejects.toThrow()
})

test('after-one-that-stayed-silent-no-connection-of-before-is-used-again', async () => {
  // Connections that a balancer made to a backend which is stopped now: they stand, and nothing comes back.
  const stopped = new Set<unknown>()
  const both = Promise.withResolvers<void>()
  let met = 0
  const post = await answering(({ socket }, response) => {
    if (stopped.has(socket)) return
    met += 1
    if (met === 2) both.resolve()
    // Two at a time, so that there are two connections.
    void both.promise.then(() => response.end('{}'))
  })
  const sockets = new Set<unknown>()
  server.on('connection', (socket) => sockets.add(socket))
  await Promise.all([post('a', {}, 10_000), post('b', {}, 10_000)])
  expect(sockets.size).toBe(2)
  for (const socket of sockets) stopped.add(socket)
  await expect(post('c', {}, 200)).rejects.toThrow('no answer')
  expect(await post('d', {}, 3_000)).toEqual({ status: 200, text: '{}' })
})
