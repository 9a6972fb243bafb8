/**
 * A session as a stream: snapshot, then the log after `since`, then whatever comes. There is no seam between replay and
 * live: both go on after a cursor, and a line that came with its news is taken only where it is the next one. The reader's pace is the
 * stream's: lines wait in the database, and only what is shown live is dropped when the reader can't keep up.
 */
import type { SessionFrame } from '@tutti/contracts'
import type { Database } from '../database/database.ts'
import { findSession } from '../read/sessions.ts'
import { shownRequests } from '../requests/requests.ts'
import { chunkFrame, lineFrame, requestsFrame, snapshotFrame } from './frames.ts'
import type { Hub } from './hub.ts'
import { createInbox } from './inbox.ts'
import type { ReadLog } from './read-log.ts'

export interface FollowRequest {
  sessionId: string
  userId: string
  /** Number of the last line that the reader has; absent: it wants only what comes. */
  since?: number
  signal: AbortSignal
}

const pageSize = 200

/** Ends when the signal is aborted. An unknown session answers one snapshot with the status `not_found`. */
export async function* follow(
  { database, hub, readLog }: { database: Database; hub: Hub; readLog: ReadLog },
  { sessionId, userId, since, signal }: FollowRequest,
): AsyncGenerator<SessionFrame, void, undefined> {
  const news = createInbox(signal)
  // Before the first look at the log: whatever is committed after that look is heard.
  const unsubscribe = hub.subscribe({ sessionId }, news.put)
  try {
    const session = await findSession(database, userId, sessionId)
    yield snapshotFrame(sessionId, session)
    if (!session) return
    const requests = await shownRequests(database, session)
    if (requests.length > 0) yield requestsFrame(sessionId, session.seq, requests)

    // A number that the log has not reached comes from another database: waiting for it would be silence for ever.
    let cursor = Math.min(since ?? session.seq, session.seq)
    async function* catchUp(): AsyncGenerator<SessionFrame, void, undefined> {
      for (let full = true; full && !signal.aborted; ) {
        const lines = await readLog(sessionId, cursor, pageSize)
        full = lines.length === pageSize
        for (const line of lines) {
          cursor = line.seq
          yield lineFrame(sessionId, line)
        }
      }
    }

    yield* catchUp()
    for (let next = await news.take(); next !== null; next = await news.take()) {
      if (next !== 'resync' && next.line !== undefined && next.seq === cursor + 1) {
        cursor = next.seq
        yield lineFrame(sessionId, { ...next.line, seq: next.seq, at: new Date(next.line.at) })
      } else if (next === 'resync' || next.seq > cursor) yield* catchUp()
      // A chunk of an older line is stale: the complete text has been sent meanwhile.
      if (next !== 'resync' && next.chunk !== undefined && next.seq === cursor)
        yield chunkFrame(sessionId, next.seq, next.chunk)
    }
  } finally {
    unsubscribe()
  }
}
