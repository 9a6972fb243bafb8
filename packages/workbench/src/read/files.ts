import { type ManifestFile, TuttiError, type WorkspaceManifest } from '@tutti/contracts'
import type { Queryable } from '../database/database.ts'
import type { SnapshotReader } from '../snapshots/objects.ts'
import { readRun, readSession } from './sessions.ts'

/** Whose files: of a session as its next run will find them, or of a run as it left them. */
export type FilesOf = { sessionId: string } | { runId: string }

interface Deps {
  database: Queryable
  snapshots: SnapshotReader
}

/**
 * The one manifest that session or run names; so what is listed is what the next turn begins with. Null before the first.
 * @throws TuttiError SESSION_NOT_FOUND, RUN_NOT_FOUND; SNAPSHOT_NOT_FOUND where it can't be read any more
 */
export const manifestOf = async (
  { database, snapshots }: Deps,
  userId: string,
  of: FilesOf,
): Promise<WorkspaceManifest | null> => {
  const { workspace_manifest_key: key } =
    'runId' in of ? await readRun(database, userId, of.runId) : await readSession(database, userId, of.sessionId)
  return key === null ? null : snapshots.manifest(userId, key)
}

/** The files of a workspace, by path; none before the first snapshot. @throws as {@link manifestOf} */
export const listFiles = async (deps: Deps, userId: string, of: FilesOf): Promise<readonly ManifestFile[]> =>
  (await manifestOf(deps, userId, of))?.files ?? []

/** One file of them; a slash at the beginning of the path is the workspace. @throws as {@link manifestOf}, and FILE_NOT_FOUND */
export const findFile = async (deps: Deps, userId: string, of: FilesOf, path: string): Promise<ManifestFile> => {
  const wanted = path.replace(/^\/+/, '')
  const file = (await listFiles(deps, userId, of)).find((one) => one.path === wanted)
  if (file === undefined) throw new TuttiError('FILE_NOT_FOUND', 'There is no such file in the workspace')
  return file
}
