/** Makes the jobs that title new sessions. Called by the sweeper, so that a crash after the first message loses none. */
import type { WorkbenchDeps } from '../deps.ts'
import { SESSION_TITLE } from './session-title-blueprint.ts'

const batch = 100

/** A session that is older got no title while there was no model: one would come as a surprise, and they may be thousands. */
const oldest = '1 day'

export const askTitles = async ({ database, engine }: Pick<WorkbenchDeps, 'database' | 'engine'>): Promise<void> => {
  const wanting = await database.query<{ id: string; user_id: string; by_person: boolean }>(
    // The run of a person's message has a job of its own; sessions that blueprints make nobody looks for by their title.
    `select id, user_id, exists (
       select from workbench.runs r where r.session_id = s.id and r.job_id = r.id and r.asked_by is null
     ) as by_person
     from workbench.sessions s
     where title_wanted and created_at > now() - $2::interval order by created_at limit $1`,
    [batch, oldest],
  )
  if (wanting.length === 0) return
  const jobs = wanting.flatMap(({ id, user_id, by_person }) =>
    // With the session's id one job is made, also where two processes ask at once, or one asks again after a crash.
    by_person ? { id, blueprint: SESSION_TITLE, client: user_id, input: { session_id: id } } : [],
  )
  if (jobs.length > 0) await engine.create(jobs)
  await database.query('update workbench.sessions set title_wanted = false where id = any($1::uuid[])', [
    wanting.map(({ id }) => id),
  ])
}
