/**
 * Events on their way to the relay: one connection that stays open, a batch a line and an answer a line. A request for each batch
 * would cost both sides far more than what is in it.
 */
import { request as httpRequest } from 'node:http'
import type { Socket } from 'node:net'
import type { RelayAddress } from './relay.ts'

/** `status` means what it would of an HTTP answer. */
export type EventAnswer = { received: number } | { status: number }

export interface EventStream {
  /**
   * Sends a batch, as JSON without line breaks, and gives what the relay answers to it; one at a time. Rejects when the relay can't be
   * reached, hangs up, or stays silent; the next call connects anew.
   */
  ask(batch: string): Promise<EventAnswer>
  close(): void
}

interface Connection {
  ask(batch: string): Promise<EventAnswer>
  readonly over: boolean
  destroy(): void
}

/** @param silenceMs how long an answer is waited for */
export const createEventStream = (address: RelayAddress, silenceMs: number): EventStream => {
  let open: Connection | undefined
  let closed = false
  return {
    ask: async (batch) => {
      if (open === undefined || open.over) {
        const opened = await connect(address, silenceMs)
        if ('status' in opened) return opened
        open = opened
        if (closed) open.destroy()
      }
      return open.ask(batch)
    },
    close: () => {
      closed = true
      open?.destroy()
    },
  }
}

/** The connection, or the status with which the relay refuses to open one. */
const connect = ({ token, ...place }: RelayAddress, silenceMs: number): Promise<Connection | { status: number }> =>
  new Promise((resolve, reject) => {
    const outgoing = httpRequest({
      ...{ ...place, path: '/v1/events', agent: false, timeout: silenceMs },
      headers: { authorization: `Bearer ${token}`, connection: 'upgrade', upgrade: 'tutti-events' },
    })
    outgoing.on('timeout', () => outgoing.destroy(new Error('the relay is silent')))
    outgoing.on('error', reject)
    outgoing.on('upgrade', (_answer, socket, head) => resolve(overSocket(socket, head, silenceMs)))
    outgoing.on('response', (incoming) => {
      incoming.resume()
      resolve({ status: incoming.statusCode ?? 0 })
    })
    outgoing.end()
  })

const overSocket = (socket: Socket, head: Buffer, silenceMs: number): Connection => {
  let asked: PromiseWithResolvers<EventAnswer> | undefined
  let got = ''
  let over = false

  const take = (line: string): void => {
    const answer = readAnswer(line)
    if (answer === undefined) {
      socket.destroy()
      return
    }
    asked?.resolve(answer)
    asked = undefined
  }
  socket.setEncoding('utf8').on('data', (text: string) => {
    const lines = (got + text).split('\n')
    got = lines.pop() ?? ''
    for (const line of lines) take(line)
  })
  socket.on('error', () => {})
  socket.on('end', () => socket.destroy())
  socket.on('close', () => {
    over = true
    asked?.reject(new Error('the relay hung up'))
  })
  // Of the machine at the other end nothing may come any more: not even that it has gone.
  socket.setKeepAlive(true, silenceMs / 2).setTimeout(silenceMs, () => {
    if (asked !== undefined) socket.destroy()
  })
  if (head.length > 0) socket.unshift(head)

  return {
    ask: (batch) => {
      if (over) return Promise.reject(new Error('the relay hung up'))
      asked = Promise.withResolvers()
      socket.write(`${batch}\n`)
      return asked.promise
    },
    get over() {
      return over
    },
    destroy: () => socket.destroy(),
  }
}

/** By hand, since loading a schema library would come before the first request for work. Undefined for what is no answer. */
const readAnswer = (line: string): EventAnswer | undefined => {
  try {
    const { received, status } = JSON.parse(line) as { received?: unknown; status?: unknown }
    if (typeof received === 'number') return { received }
    return typeof status === 'number' ? { status } : undefined
  } catch {
    return undefined
  }
}
