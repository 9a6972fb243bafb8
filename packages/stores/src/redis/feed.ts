/** The log lines of all jobs. A cursor is an entry of the stream, and how many of its lines have been read. */
import { TuttiError } from '@tutti/contracts'
import type { FeedEvent, JobEvent } from '@tutti/engine'
import type { Run } from './scripts.ts'
import { orEmpty, parseName } from './text.ts'

export interface FeedRequest {
  after: string | null
  limit: number
  client?: string
}

type EntryAnswer = [entry: string, skipped: number, job: string, client: string, kind: string, lines: string[]]

/** Entries looked at in one call, so that a client with few lines among many does not hold up the server. */
const feedBudget = 1_000

export const readFeed = async (
  run: Run,
  { after, limit, client }: FeedRequest,
): Promise<{ events: FeedEvent[]; cursor: string | null }> => {
  let [entry, read] = after === null ? ['0-0', 0] : parseFeedCursor(after)
  const events: FeedEvent[] = []
  for (;;) {
    const args = [entry, read, limit - events.length, orEmpty(client), feedBudget]
    const [reached, more, entries] = await run<[string, number, EntryAnswer[]]>('feed', args)
    events.push(...entries.flatMap(eventsOf))
    if (more === 0 || events.length >= limit) break
    const [id = '', count] = reached.split(' ')
    ;[entry, read] = [id, Number(count)]
  }
  return { events, cursor: events.at(-1)?.cursor ?? after }
}

const eventsOf = ([entry, skipped, , client, kind, lines]: EntryAnswer): FeedEvent[] =>
  lines.map((line, at) => ({
    ...(JSON.parse(line) as JobEvent),
    client: parseName(client),
    blueprint: parseName(kind.slice(0, kind.lastIndexOf('@'))),
    cursor: `${entry}.${skipped + at + 1}`,
  }))

/** @throws TuttiError INVALID_QUERY */
const parseFeedCursor = (cursor: string): [entry: string, read: number] => {
  const [, entry, read] = /^(\d{1,15}-\d{1,15})\.(\d{1,9})$/.exec(cursor) ?? []
  if (entry === undefined || read === undefined)
    throw new TuttiError('INVALID_QUERY', 'The cursor is not one that the feed gave', { path: 'query.after' })
  return [entry, Number(read)]
}

export const readFeedEnd = async (run: Run): Promise<string | null> => {
  const [entry, lines] = await run<[string, string] | []>('feed-end', [])
  return entry === undefined ? null : `${entry}.${lines}`
}
