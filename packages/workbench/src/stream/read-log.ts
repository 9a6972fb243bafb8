import { createBatcher } from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'
import type { LineRow } from './frames.ts'

/** A session's lines after `since`, oldest first, `limit` at most. */
export type ReadLog = (sessionId: string, since: number, limit: number) => Promise<LineRow[]>

/** Readers that one statement answers at most. */
const mostTogether = 100
const statementsAtOnce = 2

/**
 * Many readers, one statement: when a hundred sessions have grown, those who follow them look at the same moment. A reader alone waits
 * for nobody.
 */
export const createLogReader = (database: Queryable): ReadLog => {
  const together = createBatcher<[sessionId: string, since: number, limit: number], LineRow[]>({
    maxBatch: mostTogether,
    maxInFlight: statementsAtOnce,
    call: async (asked) => {
      const rows = await database.query<LineRow & { place: number }>(
        `select asked.place, line.seq, line.type, line.data, line.at
         from unnest($1::uuid[], $2::bigint[], $3::int[]) with ordinality as asked (session_id, since, most, place)
         cross join lateral (
           select seq, type, data, at from workbench.session_events
           where session_id = asked.session_id and seq > asked.since order by seq limit asked.most
         ) line
         order by asked.place, line.seq`,
        [asked.map(([id]) => id), asked.map(([, since]) => since), asked.map(([, , limit]) => limit)],
      )
      const found: LineRow[][] = asked.map(() => [])
      for (const { place, ...row } of rows) found[place - 1]?.push(row)
      return found
    },
  })
  return (sessionId, since, limit) => together.add([sessionId, since, limit])
}
