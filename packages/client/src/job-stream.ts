/** A job's log, live, without a gap and without a repetition, however often the connection is lost. */
import { isTerminal, type JobEventView, type JobView, jobEvent, terminalStatuses } from '@tutti/contracts'
import { parseJson, unexpected } from './errors.ts'
import type { Http } from './http.ts'
import { reconnecting } from './reconnect.ts'

export interface StreamOptions {
  /** Go on after this line; 0, the default, begins at the first. */
  since?: number | undefined
  signal?: AbortSignal | undefined
}

const endings: ReadonlySet<string> = new Set(terminalStatuses.map((status) => `job_${status}`))

export const streamJob = (
  http: Http,
  id: string,
  getJob: () => Promise<JobView>,
  { since = 0, signal }: StreamOptions,
): AsyncGenerator<JobEventView, void, void> => {
  const path = `/api/v1/jobs/${encodeURIComponent(id)}/stream`
  let last = since
  return reconnecting(
    http,
    path,
    {
      resume: () => ({ query: { since: last }, headers: last > 0 ? { 'last-event-id': String(last) } : {} }),
      read: async function* (messages, progress) {
        if (messages === null) return true
        let first = true
        for await (const { data } of messages) {
          const event = parseLine(http, path, data)
          if (event.seq <= last) continue
          // Lines are missing in the middle: ask for them. What comes first after a connect is what there is after `last`,
          // even if the server keeps no older lines.
          if (!first && event.seq !== last + 1) break
          first = false
          last = event.seq
          progress()
          yield event
          if (endings.has(event.event_type)) return true
        }
        // A stream that ends without the last line: cut off, or there is nothing more to come.
        if (!first) return false
        const job = await getJob()
        return isTerminal(job.status) && job.seq <= last
      },
    },
    signal,
  )
}

export const parseLine = (http: Http, path: string, data: string): JobEventView => {
  const event = jobEvent.safeParse(parseJson(data))
  if (event.success) return event.data
  throw unexpected({ method: 'GET', url: http.base + path }, 200, event.error)
}
