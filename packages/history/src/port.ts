/**
 * The history archive: every line of every job's log, for as long as somebody wants to look back, in a database of its own. The Store
 * forgets jobs after their retention; what was archived stays.
 */
import type { FeedEvent } from '@tutti/engine'

/** A line as it is archived. What people ask for stands in columns of its own; `data` holds all of it. */
export interface ArchivedEvent extends Omit<FeedEvent, 'cursor'> {
  durationMs: number | null
  previousState: string | null
  nextState: string | null
  worker: string | null
  attempt: number | null
}

/** All conditions must hold; those left out do not count. */
export interface HistoryQuery {
  /** null: of everybody. */
  client: string | null
  jobId?: string
  blueprint?: string
  types?: string[]
  worker?: string
  /** Instants, the first included, the last not. */
  from?: number
  before?: number
  limit: number
  /** From the page before; newest lines come first. */
  cursor?: string
}

export interface HistoryArchive {
  /** Where reading the Store's feed goes on; null: from its beginning. */
  position(): Promise<string | null>
  /** Keeps the lines and the new position in one transaction. A line that is there already is left as it is. */
  append(events: FeedEvent[], position: string): Promise<void>
  /** A job's lines in their order, from `since` + 1 on. */
  jobEvents(jobId: string, since: number, limit: number): Promise<ArchivedEvent[]>
  /** @throws TuttiError INVALID_QUERY for a cursor that no page gave */
  events(query: HistoryQuery): Promise<{ events: ArchivedEvent[]; cursor: string | null }>
  /** The newest line of each job, newest first. */
  latest(query: { client: string | null; limit: number; offset: number }): Promise<ArchivedEvent[]>
  /** The instant of the newest line; null when there is none. Jobs that ended before it are safe to be forgotten by the Store. */
  archivedUpTo(): Promise<number | null>
  /** Removes lines from before the instant, up to `limit` of them; answers how many. */
  purge(before: number, limit: number): Promise<number>
  close(): Promise<void>
}
