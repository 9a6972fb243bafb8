import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { watchSilentConnections } from '../src/http/silent-connections.ts'

test('a-connection-that-never-asked-is-cut, one-that-is-being-answered-is-not', async () => {
  const asked = Promise.withResolvers<void>()
  const answer = Promise.withResolvers<void>()
  const server = createServer((_, response) => {
    asked.resolve()
    void answer.promise.then(() => response.end('answered'))
  })
  const cutSilent = watchSilentConnections(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  const accepted = once(server, 'connection')
  const silent = connect(port, '127.0.0.1')
  await accepted
  const answered = fetch(`http://127.0.0.1:${port}/`).then((response) => response.text())
  await asked.promise
  const closed = once(silent, 'close')
  cutSilent()
  await closed
  answer.resolve()
  expect(await answered).toBe('answered')
})
