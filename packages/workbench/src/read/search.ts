/** GET /api/v1/search: full text over titles, names and messages, newest first. */
import type { SearchAnswer } from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'
import { queryOf } from '../session/words.ts'

export interface SearchRequest {
  q: string
  limit_tasks: number
  limit_projects: number
  limit_messages: number
  project_id?: string | undefined
}

/** All words of `q` must stand in what is found, each as the beginning of a word. */
export const search = async (
  database: Queryable,
  userId: string,
  { q, limit_tasks, limit_projects, limit_messages, project_id }: SearchRequest,
): Promise<SearchAnswer> => {
  const query = queryOf(q)
  if (query === null) return { query: q, tasks: [], projects: [], messages: [] }
  const values = [userId, query, project_id ?? null]
  const inProject = '($3::uuid is null or s.project_id = $3)'
  const [tasks, projects, messages] = await Promise.all([
    database.query<SearchAnswer['tasks'][number] & { timestamp: Date | string }>(
      `select id as session_id, title, status, updated_at as timestamp from workbench.sessions s
       where user_id = $1 and not is_deleted and search @@ to_tsquery('simple', $2) and ${inProject}
       order by updated_at desc, id limit $4`,
      [...values, limit_tasks],
    ),
    // A user has few of them: no index is worth its upkeep.
    database.query<SearchAnswer['projects'][number]>(
      `select id as project_id, name from workbench.projects
       where user_id = $1 and not is_deleted and to_tsvector('simple', name) @@ to_tsquery('simple', $2)
         and ($3::uuid is null or id = $3)
       order by updated_at desc, id limit $4`,
      [...values, limit_projects],
    ),
    database.query<SearchAnswer['messages'][number] & { timestamp: Date | string }>(
      `select m.id as message_id, m.session_id, m.text_preview, m.created_at as timestamp
       from workbench.messages m join workbench.sessions s on s.id = m.session_id
       where s.user_id = $1 and not s.is_deleted and m.search @@ to_tsquery('simple', $2) and ${inProject}
       order by m.id desc limit $4`,
      [...values, limit_messages],
    ),
  ])
  return { query: q, tasks: tasks.map(withInstant), projects, messages: messages.map(withInstant) }
}

const withInstant = <T extends { timestamp: Date | string }>(row: T): T & { timestamp: string } => ({
  ...row,
  timestamp: new Date(row.timestamp).toISOString(),
})
