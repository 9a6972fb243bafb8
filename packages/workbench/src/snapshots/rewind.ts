/**
 * POST /api/v1/sessions/{id}/rewind: the session's next run finds the files as an earlier run left them. What the agent
 * remembers stays: the messages since then stay as well. The state that it leaves is still that of its run, so this can be
 * undone by rewinding to that.
 */
import { type RewindSession, type SessionRewound, TuttiError } from '@tutti/contracts'
import { answered, once } from '../commands/once.ts'
import type { Queryable } from '../database/database.ts'
import type { WorkbenchDeps } from '../deps.ts'
import { readSession } from '../read/sessions.ts'
import { changeSession, type SessionChange } from '../session/change-session.ts'
import { isHeld } from '../session/rows.ts'
import { openRuns } from '../session/runs.ts'
import { type Composed, compose } from './compose.ts'
import { snapshotRun } from './of-run.ts'

/** How often somebody else may store a snapshot of the session meanwhile. */
const mostTries = 5

/** @throws TuttiError SESSION_NOT_FOUND, RUN_NOT_FOUND, SNAPSHOT_NOT_FOUND, SESSION_BUSY */
export const rewindSession = async (
  deps: WorkbenchDeps,
  userId: string,
  sessionId: string,
  { run_id: runId, client_request_id: id }: RewindSession,
): Promise<SessionRewound> => {
  const request = { kind: 'rewind', id } as const
  for (let tries = 1; tries <= mostTries; tries += 1) {
    const { workspace_manifest_key: current } = await readSession(deps.database, userId, sessionId)
    const earlier = await answered<SessionRewound>(deps.database, sessionId, request)
    if (earlier) return earlier
    const run = await snapshotRun(deps.database, userId, runId)
    if (run.session_id !== sessionId) throw new TuttiError('RUN_NOT_FOUND', 'The session has no such run')
    await refuseBusy(deps.database, sessionId)
    const files = run.workspace_manifest_key
    const composed = await compose(deps, userId, sessionId, { files, memory: current ?? files, shown: current })
    const done = await changeSession(deps.database, { sessionId, userId }, async (change) => {
      // Also where it is a repetition that came at the same moment: then there is an answer at the next look.
      if (change.session.workspace_manifest_key !== current) return null
      return once(change, request, async () => {
        await refuseBusy(change.tx, sessionId)
        write(change, runId, composed)
        const { key, manifest } = composed
        return { session_id: sessionId, run_id: runId, workspace_manifest_key: key, files: manifest.files.length }
      })
    })
    if (done === undefined) throw new TuttiError('SESSION_NOT_FOUND', 'Session not found')
    if (done !== null) return done
  }
  throw new TuttiError('SESSION_BUSY', 'The session’s files keep changing')
}

/** A turn at work would store its own state over the rewound one, as soon as it ends. */
const refuseBusy = async (tx: Queryable, sessionId: string): Promise<void> => {
  if ((await openRuns(tx, sessionId)).some(({ status }) => isHeld(status)))
    throw new TuttiError('SESSION_BUSY', 'A turn of the session is at work: its files can’t be changed now')
}

const write = (change: SessionChange, runId: string, { key, manifest }: Composed): void => {
  change.patch({ workspace_export_status: 'ready', workspace_manifest_key: key })
  change.log('workspace.export', {
    ...{ run_id: runId, export_status: 'ready', rewound: true },
    ...{ workspace_manifest_key: key, workspace_files_prefix: change.session.workspace_files_prefix },
    files: manifest.files.length,
  })
}
