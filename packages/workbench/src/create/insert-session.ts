import type { Queryable } from '../database/database.ts'
import type { SessionRow } from '../session/rows.ts'
import { wordsOf } from '../session/words.ts'
import { firstTitle } from '../titles/first-title.ts'

export const insertSession = async (
  tx: Queryable,
  { id, userId, prompt, projectId = null }: { id: string; userId: string; prompt: string; projectId?: string | null },
): Promise<SessionRow> => {
  const title = firstTitle(prompt)
  const [session] = await tx.query<SessionRow>(
    `insert into workbench.sessions (id, user_id, project_id, title, search, status)
     values ($1, $2, $3, $4, to_tsvector('simple', $5), 'pending') returning *`,
    [id, userId, projectId, title, wordsOf(title)],
  )
  if (!session) throw new Error('PostgreSQL did not answer the session that it stored')
  return session
}
