/** The feed of the memory Store: which lines of which logs came when. */
import { TuttiError } from '@tutti/contracts'
import { copyJson, type FeedEvent, type Job, type JobEvent } from '@tutti/engine'

export interface Feed {
  /** The events are kept as they are: give copies that nobody changes. */
  add(job: Job, events: JobEvent[]): void
  read(request: { after: string | null; limit: number; client?: string }): {
    events: FeedEvent[]
    cursor: string | null
  }
  end(): string | null
  /** A removed job's lines are gone. */
  remove(jobIds: Set<string>): void
  purge(before: number): void
}

interface Line {
  position: number
  addedAt: number
  event: FeedEvent
}

export const createFeed = (now: () => number): Feed => {
  let lines: Line[] = []
  let positions = 0

  return {
    add: ({ client, blueprint }, events) => {
      for (const event of events) {
        positions += 1
        const line = { ...event, client, blueprint, cursor: String(positions) }
        lines.push({ position: positions, addedAt: now(), event: line })
      }
    },
    read: ({ after, limit, client }) => {
      const from = after === null ? 0 : positionOf(after)
      const events = lines
        .filter(({ position, event }) => position > from && (client === undefined || event.client === client))
        .slice(0, limit)
        .map(({ event }) => copyJson(event))
      return { events, cursor: events.at(-1)?.cursor ?? after }
    },
    end: () => (positions === 0 ? null : String(positions)),
    remove: (jobIds) => {
      if (jobIds.size > 0) lines = lines.filter(({ event }) => !jobIds.has(event.jobId))
    },
    purge: (before) => {
      // They stand in the order in which they came, and mostly none is old: looking at each of them was half of all that an engine on
      // this Store did in a year of few jobs.
      const young = lines.findIndex(({ addedAt }) => addedAt >= before)
      if (young !== 0) lines = young < 0 ? [] : lines.slice(young)
    },
  }
}

const positionOf = (cursor: string): number => {
  if (!/^\d{1,15}$/.test(cursor))
    throw new TuttiError('INVALID_QUERY', 'The cursor is not one that the feed gave', { path: 'query.after' })
  return Number(cursor)
}
