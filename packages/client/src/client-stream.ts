/** The logs of all jobs of a client, live. */
import type { JobEventView } from '@tutti/contracts'
import type { Http } from './http.ts'
import { parseLine } from './job-stream.ts'
import { reconnecting } from './reconnect.ts'

export interface FollowOptions {
  /** A cursor that came with a line, or `start` for the oldest line that is kept; left out: what comes from now on. */
  since?: string | undefined
  signal?: AbortSignal | undefined
}

/** A line, and where to go on behind it: to be kept by who wants to resume in another process. */
export interface FollowedLine {
  line: JobEventView
  cursor: string
}

const path = '/api/v1/stream'

/** Ends only when the caller leaves the loop or aborts. A connection lost before the first line of all begins anew at that moment. */
export const followJobs = (http: Http, { since, signal }: FollowOptions): AsyncGenerator<FollowedLine, void, void> => {
  let last = since
  return reconnecting(
    http,
    path,
    {
      resume: () => ({ query: { since: last }, headers: {} }),
      read: async function* (messages, progress) {
        for await (const { id, data } of messages ?? []) {
          const line = parseLine(http, path, data)
          if (id !== undefined) last = id
          progress()
          yield { line, cursor: last ?? '' }
        }
        return false
      },
    },
    signal,
  )
}
