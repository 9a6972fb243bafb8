/** Server-sent events over as many connections as it takes. */
import { createBackoff } from '@tutti/contracts'
import type { EventSourceMessage } from 'eventsource-parser'
import { TuttiApiError, unreachable } from './errors.ts'
import type { Http, Query } from './http.ts'
import { createIdleGuard } from './idle-guard.ts'
import { readServerSentEvents } from './sse.ts'

/** Failures in a row, without one connection that opened, after which a stream gives up. */
const reconnectAttempts = 30

export interface Connection<T> {
  /** From where to go on; asked before each connect. */
  resume(): { query: Query; headers: Record<string, string> }
  /**
   * Reads one connection; null when the server says that nothing can follow. `progress` tells that it was worth connecting. Answers
   * whether the stream has ended for good.
   */
  read(messages: AsyncIterable<EventSourceMessage> | null, progress: () => void): AsyncGenerator<T, boolean>
}

/** Yields what `read` yields, over all connections. Throws TuttiApiError when trying again doesn't help. */
export async function* reconnecting<T>(
  http: Http,
  path: string,
  connection: Connection<T>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T, void, void> {
  const backoff = createBackoff(http.retry)
  let failures = 0

  for (;;) {
    signal?.throwIfAborted()
    const line = new AbortController()
    const onAbort = () => line.abort(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    const silent = () => line.abort(new Error(`nothing came for ${http.idleMs / 1000} s`))
    const guard = createIdleGuard(http.clock, http.idleMs, silent)
    let retryAfterMs: number | undefined
    try {
      const { query, headers } = connection.resume()
      const response = await http.open(path, query, { accept: 'text/event-stream', ...headers }, line.signal)
      failures = 0
      const messages = response.status === 204 ? null : readServerSentEvents(response, guard.touch)
      if (yield* connection.read(messages, backoff.reset)) return
    } catch (error) {
      signal?.throwIfAborted()
      const failure =
        error instanceof TuttiApiError ? error : unreachable({ method: 'GET', url: http.base + path }, error)
      failures += 1
      if (!failure.retryable || failures > reconnectAttempts) throw failure
      retryAfterMs = failure.retryAfterMs
    } finally {
      guard.stop()
      signal?.removeEventListener('abort', onAbort)
      line.abort()
    }
    await http.clock.sleep(backoff.next(retryAfterMs), signal)
  }
}
