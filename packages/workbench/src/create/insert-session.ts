import type { Queryable } from '../database/database.ts'
import type { SessionRow } from '../session/rows.ts'
import { firstTitle } from '../titles/first-title.ts'

export const insertSession = async (
  tx: Queryable,
  { id, userId, prompt }: { id: string; userId: string; prompt: string },
): Promise<SessionRow> => {
  const [session] = await tx.query<SessionRow>(
    `insert into workbench.sessions (id, user_id, title, status) values ($1, $2, $3, 'pending') returning *`,
    [id, userId, firstTitle(prompt)],
  )
  if (!session) throw new Error('PostgreSQL did not answer the session that it stored')
  return session
}
