/** A stream of events into a relay, as an executor has one, or somebody who does otherwise. */
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'

export interface EventLine {
  received?: number
  status?: number
  error?: string
}

export interface EventStream {
  socket: Socket
  /** Sends a line: text as it is, everything else as JSON. Resolves with its answer, rejects when none will come. */
  say(line: unknown): Promise<EventLine>
  /** Resolves when the relay has ended the connection. */
  ended: Promise<unknown>
}

/** @throws when the relay does not open one: its status is the message */
export const openEvents = async (place: { socketPath: string; token?: string | null }): Promise<EventStream> => {
  const { socketPath, token } = place
  const outgoing = httpRequest({
    ...{ socketPath, path: '/v1/events', agent: false },
    headers: {
      ...(typeof token === 'string' ? { authorization: `Bearer ${token}` } : {}),
      ...{ connection: 'upgrade', upgrade: 'tutti-events' },
    },
  }).end()
  outgoing.once('response', (answer: IncomingMessage) => {
    answer.resume()
    outgoing.destroy(new Error(String(answer.statusCode)))
  })
  const [, socket] = (await once(outgoing, 'upgrade')) as [IncomingMessage, Socket]
  const waiting: PromiseWithResolvers<EventLine>[] = []
  let got = ''
  socket.setEncoding('utf8').on('data', (text: string) => {
    const lines = (got + text).split('\n')
    got = lines.pop() ?? ''
    for (const line of lines) waiting.shift()?.resolve(JSON.parse(line))
  })
  socket.on('error', () => {})
  const ended = new Promise((resolve) => socket.once('close', resolve))
  socket.on('end', () => socket.destroy())
  socket.on('close', () => {
    for (const { reject } of waiting.splice(0)) reject(new Error('the relay hung up'))
  })
  return {
    socket,
    say: (line) => {
      const answer = Promise.withResolvers<EventLine>()
      waiting.push(answer)
      socket.write(`${typeof line === 'string' ? line : JSON.stringify(line)}\n`)
      return answer.promise
    },
    ended,
  }
}
