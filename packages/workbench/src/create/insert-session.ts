import type { Queryable } from '../database/database.ts'
import type { SessionRow } from '../session/rows.ts'
import { wordsOf } from '../session/words.ts'
import { firstTitle } from '../titles/first-title.ts'

/** Titled after its first message; or one of a scheduled task, whose name it has. */
export type NewSession = { id: string; userId: string; projectId?: string | null; origin?: string | null } & (
  | { prompt: string }
  | { name: string }
)

export const insertSession = async (
  tx: Queryable,
  { id, userId, projectId = null, origin = null, ...of }: NewSession,
): Promise<SessionRow> => {
  const title = 'name' in of ? of.name : firstTitle(of.prompt)
  const [session] = await tx.query<SessionRow>(
    // What was given a name wants no better title.
    `insert into workbench.sessions (id, user_id, project_id, title, search, status, kind, title_wanted, origin)
     values ($1, $2, $3, $4, to_tsvector('simple', $5), 'pending', $6, $6 = 'chat', $7) returning *`,
    [id, userId, projectId, title, wordsOf(title), 'name' in of ? 'scheduled' : 'chat', origin],
  )
  if (!session) throw new Error('PostgreSQL did not answer the session that it stored')
  return session
}
