import type { SessionUsage, UsageView } from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'
import { usageSums } from '../session/usage.ts'
import { readSession } from './sessions.ts'

/** All that the session's turns have used, those taken back included. @throws TuttiError SESSION_NOT_FOUND */
export const readUsage = async (database: Queryable, userId: string, sessionId: string): Promise<SessionUsage> => {
  await readSession(database, userId, sessionId)
  const [total] = await database.query<UsageView>(
    `select ${usageSums} from workbench.usage_logs where session_id = $1`,
    [sessionId],
  )
  const usage = total ?? {}
  return { total_duration_ms: total?.duration_ms ?? 0, usage_json: { ...usage } }
}
