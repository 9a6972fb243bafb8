/** One WebSocket of one reader: frames out at its pace, pings and requests in, an orderly end whoever ends it. */
import type { SessionFrame } from '@tutti/contracts'
import type { WebSocket } from 'ws'
import type { RouteDeps } from '../deps.ts'
import { SlowReaderError, sendFrames } from './send-frames.ts'

/** RFC 6455: what each end means, so that a reader knows whether to come back. */
const closeCodes = { restart: 1012, tryLater: 1013, fault: 1011 } as const

export interface SocketSource {
  /** Ends when the signal is aborted. */
  frames(signal: AbortSignal): AsyncIterable<SessionFrame>
  /** By the type of a reader's request, its answer. A `ping` is answered without. */
  requests: Readonly<Record<string, (request: Readonly<Record<string, unknown>>) => Promise<SessionFrame>>>
  /** For the log, when the stream breaks. */
  about: Readonly<Record<string, string>>
}

export const serveSocket = async (
  { config, log, open }: Pick<RouteDeps, 'config' | 'log' | 'open'>,
  socket: WebSocket,
  source: SocketSource,
): Promise<void> => {
  const reader = new AbortController()
  const forget = open.onClose(() => {
    reader.abort()
    socket.close(closeCodes.restart, 'the server is restarting')
  })
  const stopPings = keepAlive(socket, config.pingMs)
  socket.on('close', () => {
    reader.abort()
    forget()
    stopPings()
  })
  // A connection that breaks is told by `close`; without a listener its error would end the process.
  socket.on('error', () => {})
  answerRequests(socket, source.requests)
  if (open.closing) socket.close(closeCodes.restart, 'the server is restarting')

  try {
    await sendFrames(socket, source.frames(reader.signal), config)
  } catch (error) {
    reader.abort()
    if (error instanceof SlowReaderError) {
      socket.close(closeCodes.tryLater, 'too slow; connect again with since')
      // What it left unread would delay the close for as long again.
      setTimeout(() => socket.terminate(), config.slowReaderMs).unref()
      return
    }
    log.error({ err: error, ...source.about }, 'a stream broke')
    socket.close(closeCodes.fault, 'internal error')
  }
}

/** A page asks for the addresses of some files at once. */
const mostWaiting = 32

const answerRequests = (socket: WebSocket, requests: SocketSource['requests']): void => {
  const waiting: (() => Promise<SessionFrame>)[] = []
  let busy = false
  /** One at a time: a reader in a loop must not become the database's load. */
  const work = async (): Promise<void> => {
    busy = true
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
      await next().then(
        (frame) => socket.send(JSON.stringify(frame)),
        () => {},
      )
    busy = false
  }
  socket.on('message', (raw) => {
    const request = parse(raw.toString())
    if (request.type === 'ping') return socket.send('{"type":"pong"}')
    const answer = Object.hasOwn(requests, String(request.type)) ? requests[String(request.type)] : undefined
    if (answer === undefined || waiting.length >= mostWaiting) return
    waiting.push(() => answer(request))
    if (!busy) void work()
  })
}

const parse = (text: string): Record<string, unknown> => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}

/** A connection whose other end has vanished looks open for hours. */
const keepAlive = (socket: WebSocket, everyMs: number): (() => void) => {
  let answered = true
  socket.on('pong', () => {
    answered = true
  })
  const timer = setInterval(() => {
    if (!answered) return socket.terminate()
    answered = false
    socket.ping()
  }, everyMs)
  timer.unref()
  return () => clearInterval(timer)
}
