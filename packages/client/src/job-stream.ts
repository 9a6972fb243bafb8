/** A job's log, live, without a gap and without a repetition, however often the connection is lost. */
import {
  createBackoff,
  isTerminal,
  type JobEventView,
  type JobView,
  jobEvent,
  terminalStatuses,
} from '@tutti/contracts'
import { parseJson, TuttiApiError, unexpected, unreachable } from './errors.ts'
import type { Http } from './http.ts'
import { createIdleGuard } from './idle-guard.ts'
import { readServerSentEvents } from './sse.ts'

export interface StreamOptions {
  /** Go on after this line; 0, the default, begins at the first. */
  since?: number | undefined
  signal?: AbortSignal | undefined
}

/** Failures in a row, without one connection that opened, after which a stream gives up. */
const reconnectAttempts = 30

const endings: ReadonlySet<string> = new Set(terminalStatuses.map((status) => `job_${status}`))

export async function* streamJob(
  http: Http,
  id: string,
  getJob: () => Promise<JobView>,
  { since = 0, signal }: StreamOptions,
): AsyncGenerator<JobEventView, void, void> {
  const path = `/api/v1/jobs/${encodeURIComponent(id)}/stream`
  const backoff = createBackoff(http.retry)
  let last = since
  let failures = 0

  for (;;) {
    signal?.throwIfAborted()
    const connection = new AbortController()
    const onAbort = () => connection.abort(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    const silent = () => connection.abort(new Error(`nothing came for ${http.idleMs / 1000} s`))
    const guard = createIdleGuard(http.clock, http.idleMs, silent)
    let retryAfterMs: number | undefined
    try {
      const headers = { accept: 'text/event-stream', ...(last > 0 ? { 'last-event-id': String(last) } : {}) }
      const response = await http.open(path, { since: last }, headers, connection.signal)
      failures = 0
      if (response.status === 204) return
      let first = true
      for await (const { data } of readServerSentEvents(response, guard.touch)) {
        const event = parseEvent(http, path, data)
        if (event.seq <= last) continue
        // Lines are missing in the middle: ask for them. What comes first after a connect is what there is after `last`,
        // even if the server keeps no older lines.
        if (!first && event.seq !== last + 1) break
        first = false
        last = event.seq
        backoff.reset()
        yield event
        if (endings.has(event.event_type)) return
      }
      // A stream that ends without the last line: cut off, or there is nothing more to come.
      if (first) {
        const job = await getJob()
        if (isTerminal(job.status) && job.seq <= last) return
      }
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
      connection.abort()
    }
    await http.clock.sleep(backoff.next(retryAfterMs), signal)
  }
}

const parseEvent = (http: Http, path: string, data: string): JobEventView => {
  const event = jobEvent.safeParse(parseJson(data))
  if (event.success) return event.data
  throw unexpected({ method: 'GET', url: http.base + path }, 200, event.error)
}
