import type { Queryable } from '../database/database.ts'
import type { LineRow } from './frames.ts'

export const readLog = (database: Queryable, sessionId: string, since: number, limit: number): Promise<LineRow[]> =>
  database.query<LineRow>(
    `select seq, type, data, at from workbench.session_events
     where session_id = $1 and seq > $2 order by seq limit $3`,
    [sessionId, since, limit],
  )
