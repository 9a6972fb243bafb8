/** The frames of a stream as server-sent events, for readers without a WebSocket. */
import type { SessionFrame } from '@tutti/contracts'

/**
 * `id` is the frame's `seq`, so that a browser comes back with Last-Event-ID behind the last line that it has. Frames that are shown only
 * live have none: they don't move that place. A comment is written when nothing came for `quietMs`, so that nobody on the way
 * takes the connection for dead.
 */
export async function* asEvents(
  frames: AsyncIterator<SessionFrame, void>,
  { quietMs, signal }: { quietMs: number; signal: AbortSignal },
): AsyncGenerator<string> {
  yield 'retry: 2000\n\n'
  let next = frames.next()
  try {
    while (!signal.aborted) {
      const arrived = await within(quietMs, next)
      if (arrived === 'quiet') {
        yield ': still here\n\n'
        continue
      }
      if (arrived.done) return
      yield event(arrived.value)
      next = frames.next()
    }
  } finally {
    await frames.return?.()
  }
}

const live = new Set<SessionFrame['type']>(['session.snapshot', 'message.chunk'])

const event = (frame: SessionFrame): string =>
  `${live.has(frame.type) ? '' : `id: ${frame.seq}\n`}event: ${frame.type}\ndata: ${JSON.stringify(frame)}\n\n`

const within = async <T>(ms: number, promise: Promise<T>): Promise<T | 'quiet'> => {
  const { promise: quiet, resolve } = Promise.withResolvers<'quiet'>()
  const timer = setTimeout(resolve, ms, 'quiet')
  try {
    return await Promise.race([promise, quiet])
  } finally {
    clearTimeout(timer)
  }
}
