import { TuttiError, type WorkspaceManifest } from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'
import type { RunRow } from '../session/rows.ts'
import type { SnapshotReader } from './objects.ts'

export type SnapshotRun = Pick<RunRow, 'id' | 'session_id'> & { workspace_manifest_key: string }

/** The user's run with its snapshot. @throws TuttiError RUN_NOT_FOUND, SNAPSHOT_NOT_FOUND */
export const snapshotRun = async (database: Queryable, userId: string, runId: string): Promise<SnapshotRun> => {
  const [run] = await database.query<Pick<RunRow, 'id' | 'session_id' | 'workspace_manifest_key'>>(
    'select id, session_id, workspace_manifest_key from workbench.runs where id = $1 and user_id = $2',
    [runId, userId],
  )
  if (!run) throw new TuttiError('RUN_NOT_FOUND', 'Run not found')
  const { workspace_manifest_key } = run
  if (workspace_manifest_key === null)
    throw new TuttiError('SNAPSHOT_NOT_FOUND', `Run ${runId} has stored no snapshot of its workspace`)
  return { ...run, workspace_manifest_key }
}

/** @throws TuttiError RUN_NOT_FOUND, SNAPSHOT_NOT_FOUND */
export const manifestOfRun = async (
  deps: { database: Queryable; snapshots: SnapshotReader },
  userId: string,
  runId: string,
): Promise<WorkspaceManifest> => {
  const { workspace_manifest_key } = await snapshotRun(deps.database, userId, runId)
  return deps.snapshots.manifest(userId, workspace_manifest_key)
}
