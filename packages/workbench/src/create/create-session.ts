import type { CreateSession, SessionView } from '@tutti/contracts'
import { choose } from '../capabilities/choose.ts'
import type { WorkbenchDeps } from '../deps.ts'
import { findProject } from '../projects/projects.ts'
import { viewSession } from '../read/sessions.ts'
import type { SessionChange } from '../session/change-session.ts'
import { checkConfig } from '../session/check-config.ts'
import { plainJson } from '../session/plain-json.ts'
import { storable } from '../session/storable.ts'
import { firstTitle } from '../titles/first-title.ts'
import { lasting, withProject } from './merge-config.ts'

/** POST /api/v1/sessions: a session in which nothing was said yet. @throws TuttiError PROJECT_NOT_FOUND, CAPABILITY_NOT_FOUND, INVALID_BODY */
export const createSession = async (deps: WorkbenchDeps, userId: string, sent: CreateSession): Promise<SessionView> => {
  const { database, newId } = deps
  const { config, project_id, origin } = storable(plainJson(sent)) as CreateSession
  const project = project_id ? await findProject(database, userId, project_id, 'body.project_id') : undefined
  checkConfig(deps, config ?? {})
  const id = newId()
  const presetId = project?.default_preset_id ?? null
  const choice = { base: {}, sent: config ?? {}, presetId, installed: true, path: 'body.config' }
  const settings = lasting(withProject(await choose(database, userId, choice), choice.sent, project))
  await database.query(
    // Nothing can be made a title of yet: its first message gives it one.
    `insert into workbench.sessions (id, user_id, project_id, status, config_snapshot, title_wanted, origin)
     values ($1, $2, $3, 'pending', $4, false, $5)`,
    [id, userId, project_id ?? null, settings, origin ?? null],
  )
  return viewSession(database, userId, id)
}

/** What a session that was made without a message gets from its first one. */
export const titleByFirst = async (change: SessionChange, prompt: string): Promise<void> => {
  const { tx, session } = change
  // Nothing of it is logged yet, so nobody can have said that it is to have none.
  if (session.title !== null || session.seq > 0) return
  change.patch({ title: firstTitle(prompt) })
  await tx.query('update workbench.sessions set title_wanted = true where id = $1', [session.id])
}
