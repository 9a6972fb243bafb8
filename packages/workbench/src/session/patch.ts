import { type PatchSession, type SessionView, type TaskConfig, TuttiError } from '@tutti/contracts'
import { choose } from '../capabilities/choose.ts'
import type { WorkbenchDeps } from '../deps.ts'
import { findProject } from '../projects/projects.ts'
import { viewSession } from '../read/sessions.ts'
import { changeSession, type SessionPatch } from './change-session.ts'
import { checkConfig } from './check-config.ts'
import { plainJson } from './plain-json.ts'
import { storable } from './storable.ts'

/** PATCH /api/v1/sessions/{id}. A run under way keeps the configuration it began with. @throws TuttiError SESSION_NOT_FOUND, PROJECT_NOT_FOUND, CAPABILITY_NOT_FOUND, INVALID_BODY */
export const patchSession = async (
  deps: WorkbenchDeps,
  userId: string,
  sessionId: string,
  sent: PatchSession,
): Promise<SessionView> => {
  const { title, is_pinned, project_id, config } = storable(plainJson(sent)) as PatchSession
  if (config) checkConfig(deps, config)
  const done = await changeSession(deps.database, { sessionId, userId }, async (change) => {
    const { session } = change
    if (project_id) await findProject(change.tx, userId, project_id, 'body.project_id')
    const { user_id } = session
    const base = (session.config_snapshot ?? {}) as TaskConfig
    const snapshot =
      config && (await choose(change.tx, user_id, { base, sent: config, installed: true, path: 'body.config' }))
    const fields: SessionPatch = {
      ...(title === undefined ? {} : { title }),
      ...(project_id === undefined ? {} : { project_id }),
      ...(is_pinned === undefined || is_pinned === session.is_pinned
        ? {}
        : { is_pinned, pinned_at: is_pinned ? new Date() : null }),
      ...(snapshot === undefined ? {} : { config_snapshot: plainJson(snapshot) as never }),
    }
    change.patch(fields)
    if (title !== undefined || config !== undefined)
      change.log('session.patch', { title: change.session.title, config_snapshot: change.session.config_snapshot })
    return true
  })
  if (!done) throw new TuttiError('SESSION_NOT_FOUND', 'Session not found')
  return viewSession(deps.database, userId, sessionId)
}
