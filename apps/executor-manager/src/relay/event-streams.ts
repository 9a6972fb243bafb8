/**
 * Events of an executor: one connection for as long as both live, a batch a line, an answer a line. Back-pressure is the connection's:
 * while a batch is on its way to the backend, no more is read than what has come already.
 */
import type { Duplex } from 'node:stream'
import type { EventReceipt, EventRefusal } from '@tutti/contracts'
import type { Logger } from '@tutti/telemetry'
import { messageOf } from '../fault.ts'

export interface EventStreams {
  /** Of a sender that has shown its token. It takes the place of the one before, which an executor that comes back has given up. */
  open(socket: Duplex, head: Buffer): void
  close(): void
}

export interface EventStreamsOptions {
  /** Of a batch. */
  maxBytes: number
  /** What is to be answered to a line. Where it rejects, the connection ends without an answer, and the batch comes again. */
  take(line: string): Promise<EventReceipt | EventRefusal>
  log: Logger
}

export const createEventStreams = (options: EventStreamsOptions): EventStreams => {
  let current: Duplex | undefined
  let closed = false
  return {
    open: (socket, head) => {
      current?.destroy()
      current = socket
      serve(socket, options)
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: tutti-events\r\n\r\n')
      if (head.length > 0) socket.unshift(head)
      if (closed) socket.destroy()
    },
    close: () => {
      closed = true
      current?.destroy()
    },
  }
}

const newline = 0x0a

const serve = (socket: Duplex, { maxBytes, take, log }: EventStreamsOptions): void => {
  const lines: string[] = []
  let begun: Buffer[] = []
  let bytes = 0
  let busy = false
  let refused = false
  let dropped = 0

  const answer = (said: EventReceipt | EventRefusal): void => {
    if (!socket.writable) return
    socket.write(`${JSON.stringify(said)}\n`)
    if ('received' in said) return
    refused = true
    lines.length = 0
    begun = []
    socket.end()
  }
  const work = async (): Promise<void> => {
    busy = true
    try {
      for (let line = lines.shift(); line !== undefined; line = lines.shift()) answer(await take(line))
    } catch (error) {
      log.error({ reason: messageOf(error) }, 'events could not be taken')
      socket.destroy()
    }
    busy = false
    socket.resume()
  }
  const add = (piece: Buffer, ends: boolean): void => {
    bytes += piece.length
    if (bytes > maxBytes) {
      answer({ status: 413, error: 'the batch is too large' })
      return
    }
    if (piece.length > 0) begun.push(piece)
    if (!ends) return
    lines.push(Buffer.concat(begun).toString('utf8'))
    begun = []
    bytes = 0
  }

  const split = (chunk: Buffer): void => {
    let from = 0
    for (let at = chunk.indexOf(newline); at >= 0 && !refused; at = chunk.indexOf(newline, from)) {
      add(chunk.subarray(from, at), true)
      from = at + 1
    }
    if (!refused) add(chunk.subarray(from), false)
  }
  /** Whoever is still sending would not read why it is refused, if its connection just broke. */
  const drop = (chunk: Buffer): void => {
    dropped += chunk.length
    if (dropped > maxBytes) socket.destroy()
  }

  socket.on('data', (chunk: Buffer) => {
    if (refused) return drop(chunk)
    split(chunk)
    if (busy) socket.pause()
    else if (lines.length > 0) void work()
  })
  socket.on('end', () => socket.end())
  // An executor that was killed breaks off in the middle; nobody is there to be answered.
  socket.on('error', () => socket.destroy())
}
