/** One WebSocket of one reader of a session: frames out, pings and requests for a snapshot in. */
import type { WebSocket } from 'ws'
import type { RouteDeps } from '../deps.ts'
import { SlowReaderError, sendFrames } from './send-frames.ts'

/** RFC 6455: what each end means, so that a reader knows whether to come back. */
const closeCodes = { restart: 1012, tryLater: 1013, fault: 1011 } as const

export const serveSession = async (
  { workbench, config, log, open }: RouteDeps,
  socket: WebSocket,
  request: { sessionId: string; since?: number },
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
  answerRequests(socket, async () => JSON.stringify(await workbench.snapshot(config.userId, request.sessionId)))
  if (open.closing) socket.close(closeCodes.restart, 'the server is restarting')

  try {
    const frames = workbench.follow({ ...request, userId: config.userId, signal: reader.signal })
    await sendFrames(socket, frames, config)
  } catch (error) {
    reader.abort()
    if (error instanceof SlowReaderError) {
      socket.close(closeCodes.tryLater, 'too slow; connect again with since')
      // What it left unread would delay the close for as long again.
      setTimeout(() => socket.terminate(), config.slowReaderMs).unref()
      return
    }
    log.error({ err: error, session_id: request.sessionId }, 'a session’s stream broke')
    socket.close(closeCodes.fault, 'internal error')
  }
}

const answerRequests = (socket: WebSocket, snapshot: () => Promise<string>): void => {
  let busy = false
  socket.on('message', (raw) => {
    const type = typeOf(raw.toString())
    if (type === 'ping') socket.send('{"type":"pong"}')
    // One at a time: a reader in a loop must not become the database's load.
    if (type !== 'session.snapshot.request' || busy) return
    busy = true
    snapshot()
      .then(
        (frame) => socket.send(frame),
        () => {},
      )
      .finally(() => {
        busy = false
      })
  })
}

const typeOf = (text: string): unknown => {
  try {
    return (JSON.parse(text) as { type?: unknown } | null)?.type
  } catch {
    return undefined
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
