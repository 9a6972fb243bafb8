/** One WebSocket connection, read like a list. */
import type { Clock } from './clock.ts'
import { createIdleGuard } from './idle-guard.ts'

export interface SocketEnd {
  /** False when the server refused the connection or wasn't there. */
  opened: boolean
  code: number
  reason: string
}

export interface SocketOptions {
  url: string
  headers: Record<string, string>
  signal: AbortSignal | undefined
  clock: Clock
  idleMs: number
  /** A reader that is this far behind is better served by connecting again where it stands than by a growing heap. */
  mostQueued: number
}

/** Yields text frames until the connection ends; returns how it ended. */
export async function* readSocket(options: SocketOptions): AsyncGenerator<string, SocketEnd, void> {
  const { url, headers, signal, clock, idleMs, mostQueued } = options
  const socket = new WebSocket(url, { headers })
  let queue: string[] = []
  let changed = Promise.withResolvers<void>()
  let end: SocketEnd | undefined
  let opened = false
  let asked = false

  const finish = (code: number, reason: string) => {
    end ??= { opened, code, reason }
    guard.stop()
    socket.close()
    changed.resolve()
  }
  // Asks once, then gives up: a quiet session is no dead one.
  const guard = createIdleGuard(clock, idleMs / 2, () => {
    if (asked || !opened) return finish(0, `nothing came for ${idleMs / 1000} s`)
    asked = true
    socket.send('{"type":"ping"}')
  })
  const onAbort = () => finish(0, 'aborted')
  if (signal?.aborted) onAbort()
  signal?.addEventListener('abort', onAbort, { once: true })
  socket.addEventListener('open', () => {
    opened = true
    guard.touch()
  })
  socket.addEventListener('message', ({ data }) => {
    if (end !== undefined || typeof data !== 'string') return
    asked = false
    guard.touch()
    queue.push(data)
    changed.resolve()
    if (queue.length >= mostQueued) finish(0, 'the reader is too slow')
  })
  socket.addEventListener('close', ({ code, reason }) => finish(code, reason))
  // A refused connection reports an error and then closes; the listener keeps the error from being thrown.
  socket.addEventListener('error', () => {})

  try {
    for (;;) {
      const frames = queue
      queue = []
      yield* frames
      if (queue.length > 0) continue
      if (end !== undefined) return end
      await changed.promise
      changed = Promise.withResolvers()
    }
  } finally {
    signal?.removeEventListener('abort', onAbort)
    finish(1000, '')
  }
}
